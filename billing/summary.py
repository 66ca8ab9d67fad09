"""What the dashboard shows of the money: sums per currency and month, added up by the database in two statements."""

import datetime
from typing import Any

from django.db.models import Case, CharField, Count, DecimalField, F, Q, QuerySet, Sum, Value, When
from django.db.models.functions import Round, TruncMonth
from django.utils import timezone

from billing.models import (
    BillingCycle,
    CreditNote,
    Invoice,
    InvoiceStatus,
    Payment,
    SubscriptionTerms,
)
from billing.money import ZERO, rounded
from billing.periods import ONE_DAY, local_date, midnight, period_end, zone

OPEN = F("amount") - F("credited_amount") - F("paid_amount")
MONEY = DecimalField(max_digits=20, decimal_places=3)
MONTHS = 12
"""Of a year, which all billing cycles divide: what a subscription comes to in it needs no division."""


class Total(Round):
    """The sum of amounts, to the scale of their columns: SQLite adds decimals as floats."""

    def __init__(self, amount: Any, **options: Any):
        super().__init__(Sum(amount, output_field=MONEY, **options), MONEY.decimal_places)


def summary(*, months: int) -> dict[str, Any]:
    """The last `months` months, the present one included, of every currency that anything was billed in."""
    now = timezone.now()
    today = local_date(now)
    firsts = _first_days(months, today)
    span = midnight(firsts[0]), now
    found: dict[str, dict[str, Any]] = {}

    def of(currency: str) -> dict[str, Any]:
        return found.setdefault(currency, _empty(currency, firsts))

    sums = [
        _monthly("issued", Invoice.objects.issued(), "issued_on", span, "currency_code"),
        _monthly("credited", CreditNote.objects.all(), "issued_on", span, "currency_code"),
        _monthly("paid", Payment.objects.all(), "date", span, "invoice__currency_code"),
        _unpaid(today),
    ]
    for kind, currency, first, count, amount, late_count, late in sums[0].union(*sums[1:], all=True):
        month = of(currency)["months"].get(f"{first:%Y-%m}")
        if kind == "open":
            total = of(currency)
            total["open_count"] += count
            total["open"] += amount
            total["overdue_count"] += late_count
            total["overdue"] += late or ZERO
            if month is not None:
                month["overdue"] = late or ZERO
            continue
        month[kind] = amount
        if kind == "issued":
            month["issued_count"] = count
    for row in _recurring(firsts, today):
        for index, first in enumerate(firsts):
            month = of(row["currency_code"])["months"][f"{first:%Y-%m}"]
            month["mrr"] = rounded((row[f"year{index}"] or ZERO) / MONTHS, row["currency_code"])
    return {"currencies": [{**each, "months": list(each["months"].values())} for _, each in sorted(found.items())]}


def _first_days(months: int, today: datetime.date) -> list[datetime.date]:
    day = today.replace(day=1)
    result = [day]
    while len(result) < months:
        day = (day - datetime.timedelta(days=1)).replace(day=1)
        result.insert(0, day)
    return result


def _empty(currency: str, firsts: list[datetime.date]) -> dict[str, Any]:
    nothing = {"issued_count": 0, "issued": ZERO, "credited": ZERO, "paid": ZERO, "overdue": ZERO, "mrr": ZERO}
    months = {f"{first:%Y-%m}": {"month": f"{first:%Y-%m}", **nothing} for first in firsts}
    return {
        "currency_code": currency, "open_count": 0, "open": ZERO, "overdue_count": 0, "overdue": ZERO, "months": months,
    }  # fmt: skip


def _monthly(kind: str, rows: QuerySet, moment: str, span: tuple[datetime.datetime, ...], currency: str) -> QuerySet:
    """The number and sum of the rows of each currency and month, as (kind, currency, month, number, sum, 0, 0)."""
    within = rows.filter(**{f"{moment}__range": span})
    return _summed(kind, within, currency, TruncMonth(moment, tzinfo=zone()), F("amount"), Q(pk=None))


def _unpaid(today: datetime.date) -> QuerySet:
    """What is open, and what of it is overdue, in the same columns, of whatever month it is due in."""
    rows = Invoice.objects.filter(status=InvoiceStatus.PENDING)
    due_in = TruncMonth("due_date", tzinfo=zone())
    return _summed("open", rows, "currency_code", due_in, OPEN, Q(due_date__lt=midnight(today)))


def _summed(kind: str, rows: QuerySet, currency: str, month: Any, amount: Any, late: Q) -> QuerySet:
    named = rows.order_by().annotate(kind=Value(kind, CharField()), currency=F(currency), month=month)
    return (
        named.values("kind", "currency", "month")
        .annotate(number=Count("pk"), sum=Total(amount))
        .annotate(late_number=Count("pk", filter=late), late_sum=Total(amount, filter=late))
        .values_list("kind", "currency", "month", "number", "sum", "late_number", "late_sum")
    )


def _recurring(firsts: list[datetime.date], today: datetime.date) -> QuerySet:
    """Of each currency, what the subscriptions that ran on each month's last day came to a year, by that day's terms.

    Net, before credits; of the present month the day is today. A trial does not count, nor does a tenant that was
    deleted by then.
    """
    cycles = Case(*[When(billing_cycle=cycle, then=MONTHS // cycle.months) for cycle in BillingCycle])
    sums = {}
    for index, first in enumerate(firsts):
        day = min(period_end(first, months=1, anchor_day=1) - ONE_DAY, today)
        in_force = Q(since__lte=day) & (Q(until=None) | Q(until__gt=day))
        next_day = midnight(day + ONE_DAY)
        goes_on = Q(subscription__end_date=None) | Q(subscription__end_date__gte=next_day)
        is_there = Q(subscription__tenant__deleted_on=None) | Q(subscription__tenant__deleted_on__gte=next_day)
        sums[f"year{index}"] = Total(F("price") * cycles, filter=in_force & goes_on & is_there)
    rows = SubscriptionTerms.objects.filter(subscription__deleted=False).order_by()
    return rows.values("currency_code").annotate(**sums)
