"""What the dashboard shows of the money: sums per currency and month, added up by the database in five statements."""

import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Case, Count, DecimalField, F, Q, QuerySet, Sum, Value, When
from django.db.models.functions import TruncMonth
from django.utils import timezone

from billing.models import (
    BillingCycle,
    CreditNote,
    Invoice,
    InvoiceStatus,
    Payment,
    SubscriptionStatus,
    SubscriptionTerms,
)
from billing.money import ZERO, rounded
from billing.periods import ONE_DAY, day_begin, local_date, midnight, period_end, zone

OPEN = F("amount") - F("credited_amount") - F("paid_amount")
MONEY = DecimalField(max_digits=20, decimal_places=3)


def summary(*, months: int) -> dict[str, Any]:
    """The last `months` months, the present one included, of every currency that anything was billed in."""
    firsts = _first_days(months)
    since = midnight(firsts[0])
    found: dict[str, dict[str, Any]] = {}

    def of(currency: str) -> dict[str, Any]:
        return found.setdefault(currency, _empty(currency, firsts))

    def add(rows: QuerySet, currency: str, *names: str) -> None:
        for row in rows:
            month = of(row[currency])["months"][f"{row['month']:%Y-%m}"]
            month |= {name: row[name] for name in names}

    issued = {"issued_count": Count("id"), "issued": Sum("amount")}
    add(_monthly(Invoice.objects.issued(), "issued_on", since, "currency_code", **issued),
        "currency_code", *issued)  # fmt: skip
    add(_monthly(CreditNote.objects.all(), "issued_on", since, "currency_code", credited=Sum("amount")),
        "currency_code", "credited")  # fmt: skip
    add(_monthly(Payment.objects.all(), "date", since, "invoice__currency_code", paid=Sum("amount")),
        "invoice__currency_code", "paid")  # fmt: skip
    late = Q(due_date__lt=day_begin(timezone.now()))
    unpaid = Invoice.objects.filter(status=InvoiceStatus.PENDING).order_by().values("currency_code")
    for row in unpaid.annotate(
        open_count=Count("id"), open=Sum(OPEN), overdue_count=Count("id", filter=late), overdue=Sum(OPEN, filter=late)
    ):
        of(row["currency_code"]).update({name: value or 0 for name, value in row.items()})
    for row in _recurring(firsts):
        for index, first in enumerate(firsts):
            month = of(row["currency_code"])["months"][f"{first:%Y-%m}"]
            month["mrr"] = rounded(row[f"mrr{index}"] or ZERO, row["currency_code"])
    return {"currencies": [{**each, "months": list(each["months"].values())} for _, each in sorted(found.items())]}


def _first_days(months: int) -> list[datetime.date]:
    day = local_date(timezone.now()).replace(day=1)
    result = [day]
    while len(result) < months:
        day = (day - datetime.timedelta(days=1)).replace(day=1)
        result.insert(0, day)
    return result


def _empty(currency: str, firsts: list[datetime.date]) -> dict[str, Any]:
    nothing = {"issued_count": 0, "issued": ZERO, "credited": ZERO, "paid": ZERO, "mrr": ZERO}
    months = {f"{first:%Y-%m}": {"month": f"{first:%Y-%m}", **nothing} for first in firsts}
    return {
        "currency_code": currency, "open_count": 0, "open": ZERO, "overdue_count": 0, "overdue": ZERO, "months": months,
    }  # fmt: skip


def _monthly(rows: QuerySet, moment: str, since: datetime.datetime, currency: str, **sums: Any) -> QuerySet:
    month = TruncMonth(moment, tzinfo=zone())
    return (
        rows.filter(**{f"{moment}__gte": since, f"{moment}__lte": timezone.now()})
        .order_by()
        .annotate(month=month)
        .values("month", currency)
        .annotate(**sums)
    )


def _recurring(firsts: list[datetime.date]) -> QuerySet:
    """Of each currency, what the subscriptions that ran on each month's last day came to a month, by that day's terms.

    Net, before credits; of the present month the day is today. A trial does not count, nor does what waits to be paid.
    """
    share = Case(
        *[When(billing_cycle=cycle, then=F("price") / Value(Decimal(cycle.months))) for cycle in BillingCycle],
        output_field=MONEY,
    )
    sums = {}
    for index, first in enumerate(firsts):
        day = min(period_end(first, months=1, anchor_day=1) - ONE_DAY, local_date(timezone.now()))
        in_force = Q(since__lte=day) & (Q(until=None) | Q(until__gt=day))
        goes_on = Q(subscription__end_date=None) | Q(subscription__end_date__gte=midnight(day + ONE_DAY))
        sums[f"mrr{index}"] = Sum(share, filter=in_force & goes_on)
    begun = SubscriptionTerms.objects.exclude(subscription__status=SubscriptionStatus.PENDING)
    return begun.filter(subscription__deleted=False).order_by().values("currency_code").annotate(**sums)
