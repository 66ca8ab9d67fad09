"""Invoice the periods that are due: once for each subscription and period, whatever happens.

A period is invoiced in advance, when it begins. Subscription and invoice commit together, and the database takes no
second invoice for a period, so a run that was killed is simply run again, and two at once share the work.
"""

import datetime
import uuid
from collections.abc import Iterable, Sequence
from decimal import Decimal

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils import timezone

from billing import invoicing, proration, terms, texts
from billing.models import Invoice, InvoiceStatus, Subscription, SubscriptionStatus
from billing.money import ZERO
from billing.periods import ONE_DAY, day_in_month, local_date, midnight, period_end, zone
from billing.signals import subscriptions_changed
from billing.totals import Line, coming_to, totals

CHUNK = 500
"""Subscriptions in a transaction. Memory grows with it, and the time that others wait for a number."""

MOVED = (
    "plan_id", "price", "currency_code", "billing_cycle", "next_plan_id", "period_start", "period_end",
    "next_invoice_on", "anchor_day", "period_price", "period_tax_rate", "credit",
)  # fmt: skip


def due(today: datetime.date) -> QuerySet[Subscription]:
    """The active subscriptions of which a period without an invoice begins by `today`, and before their end."""
    goes_on = Q(end_date=None) | Q(next_invoice_on__lt=TruncDate("end_date", tzinfo=zone()))
    return Subscription.objects.filter(
        goes_on, status=SubscriptionStatus.ACTIVE, next_invoice_on__lte=today, tenant__deleted=False
    )


def forecast(today: datetime.date) -> list[tuple[str, int, Decimal]]:
    """What a run would issue by `today`: currency, number of invoices and their sum, net.

    The subscriptions move as they would in the run, but nothing is written; memory does not grow with their number.
    """
    sums: dict[str, tuple[int, Decimal]] = {}
    for subscription in _with_parties(due(today)).iterator(CHUNK):
        while not _has_ended(subscription) and (subscription.next_invoice_on or today) <= today:
            _take_next_plan(subscription)
            invoice = next_invoice(subscription, None)
            if invoice is not None:
                count, total = sums.get(invoice.currency_code, (0, ZERO))
                sums[invoice.currency_code] = count + 1, total + invoice.subtotal
    return [(currency, *sums[currency]) for currency in sorted(sums)]


def _with_parties(subscriptions: QuerySet[Subscription]) -> QuerySet[Subscription]:
    """With all that an invoice says of them."""
    return subscriptions.select_related("tenant__address", "tenant__lead").prefetch_related("plan", "next_plan")


@transaction.atomic
def bill_chunk(today: datetime.date, *, actor: uuid.UUID | None) -> list[Invoice] | None:
    """The next invoices of the CHUNK of subscriptions that are due longest; None when nothing is left by `today`.

    Rows that another run has locked are left to it.
    """
    skips = connection.features.has_select_for_update_skip_locked
    rows = _with_parties(due(today)).order_by("next_invoice_on", "id")
    chunk = list(rows.select_for_update(of=("self",), no_key=True, skip_locked=skips)[:CHUNK])
    return bill(chunk, actor=actor) if chunk else None


def bill(
    subscriptions: Sequence[Subscription], *, actor: uuid.UUID | None, besides: Sequence[str] = ()
) -> list[Invoice]:
    """Issue the next invoice of each locked subscription, and move it to the period that the invoice is for.

    What is free moves on without an invoice; what ends before stays where it is, as does what is agreed of it.
    `besides` names the columns that the caller has changed, to be written with what moves.
    """
    invoices, moved, changed = [], [], []
    for subscription in subscriptions:
        if _has_ended(subscription):
            continue
        if _take_next_plan(subscription):
            changed.append(subscription)
        moved.append(subscription)
        invoice = next_invoice(subscription, actor)
        if invoice is not None:
            invoices.append(invoice)
    _save(subscriptions, (*MOVED, *besides))
    terms.keep(moved)
    if changed:
        subscriptions_changed.send(Subscription, subscriptions=changed, actor=actor)
    invoicing.issue(invoices, actor=actor)
    return invoices


def _has_ended(subscription: Subscription) -> bool:
    """Whether the next period would begin when the subscription has ended."""
    start, last = subscription.next_invoice_on, subscription.ends_on
    return start is not None and last is not None and start >= last


def _take_next_plan(subscription: Subscription) -> bool:
    """Move to the plan that begins with the next period, if any; one in another currency waits until the credit is used
    up."""
    plan = subscription.next_plan
    if plan is None or (subscription.credit and plan.currency_code != subscription.currency_code):
        return False
    subscription.take_terms_of(plan)
    subscription.next_plan = None
    return True


def bill_until(day: datetime.date, subscription: Subscription, *, actor: uuid.UUID | None) -> None:
    """Issue what a run would have for a locked subscription: the invoices of the periods that begin before `day`.

    After its end, and of a deleted tenant's, there are none.
    """
    last = min(day, subscription.ends_on or day)
    while not subscription.tenant.deleted and (subscription.next_invoice_on or last) < last:
        bill([subscription], actor=actor)


def _save(subscriptions: Iterable[Subscription], columns: Sequence[str]) -> None:
    """Write what has moved. Most move alike, by the thousand, so those that do share a statement."""
    alike: dict[tuple, list[uuid.UUID]] = {}
    for subscription in subscriptions:
        alike.setdefault(tuple(getattr(subscription, name) for name in columns), []).append(subscription.id)
    for values, ids in alike.items():
        Subscription.objects.filter(id__in=ids).update(
            **dict(zip(columns, values, strict=True)), modified_on=timezone.now()
        )


def next_invoice(subscription: Subscription, actor: uuid.UUID | None) -> Invoice | None:
    """The draft of the next invoice of a subscription that goes on, its period and credit moved on; None where it is
    free."""
    start, last = subscription.next_invoice_on, subscription.ends_on
    assert start is not None
    if start.day != day_in_month(start, subscription.anchor_day or start.day):
        subscription.anchor_day = start.day  # the last period was cut short, and the subscription went on after all
    end = whole_period_end(subscription, start)
    if last is not None:
        end = min(end, last)
    subscription.period_start, subscription.period_end, subscription.next_invoice_on = start, end, end
    subscription.period_price, subscription.period_tax_rate = price_of(subscription, start, end), subscription.tax_rate
    if not subscription.period_price:
        return None
    invoice = draft(subscription, start, end, actor=actor)
    invoice.period_start = start
    description = texts.period(subscription, start, end - ONE_DAY)
    put_lines(invoice, subscription, [Line(description, subscription.period_price, tax_rate=subscription.tax_rate)])
    return invoice


def whole_period_end(subscription: Subscription, start: datetime.date) -> datetime.date:
    return period_end(start, months=subscription.months, anchor_day=subscription.anchor_day or start.day)


def price_of(subscription: Subscription, start: datetime.date, end: datetime.date) -> Decimal:
    """The price of the period, which ends before a whole one would where the subscription does."""
    whole_end = whole_period_end(subscription, start)
    return proration.used(subscription.price, subscription.currency_code, start=start, end=whole_end, until=end)


def put_lines(invoice: Invoice, subscription: Subscription, lines: Sequence[Line]) -> None:
    """Give a draft `lines`, less as much of the subscription's credit as they come to."""
    if subscription.credit:
        total = totals(lines, subscription.currency_code).total
        invoice.credit_taken = min(subscription.credit, total)
        subscription.credit -= invoice.credit_taken
        lines = coming_to(
            total - invoice.credit_taken,
            lines,
            Line(texts.credit(subscription), ZERO, tax_rate=subscription.tax_rate),
            rounding=texts.rounding(subscription),
            currency=subscription.currency_code,
        )
    invoicing.put_lines(invoice, lines)


def draft(subscription: Subscription, start: datetime.date, end: datetime.date, *, actor: uuid.UUID | None) -> Invoice:
    """An invoice for the days from `start` to the one before `end`, without lines yet."""
    return Invoice(
        tenant=subscription.tenant,
        subscription=subscription,
        start_date=midnight(start),
        end_date=midnight(end),
        due_date=midnight(local_date(timezone.now()) + datetime.timedelta(days=settings.INVOICE_DUE_DAYS)),
        currency_code=subscription.currency_code,
        status=InvoiceStatus.DRAFT,
        created_by=actor,
        modified_by=actor,
    )
