"""The first period of a subscription that is paid before its tenant is provisioned.

Nobody knows then on which day it will begin. Its invoice names no day, and is frozen as any other; the period begins
with the service, and `period_start` of the invoice says which one it turned out to be.
"""

import datetime
import uuid
from decimal import Decimal

from django.utils import timezone

from billing import invoicing, proration, renewals, terms, texts
from billing.models import Invoice, InvoiceStatus, Subscription
from billing.models.invoices import InvoiceQuerySet
from billing.periods import local_date
from billing.totals import Line, with_tax, without_tax


def standing_invoices(subscription: Subscription) -> InvoiceQuerySet:
    """The invoices of a subscription that were not cancelled; of one that waits, the one that is paid first."""
    return Invoice.objects.filter(subscription=subscription).exclude(status=InvoiceStatus.CANCELLED)


def ask(subscription: Subscription, *, actor: uuid.UUID | None) -> None:
    """Issue the invoice of a waiting subscription's first period, whole. A trial, and what is free, have none."""
    today = local_date(timezone.now())
    has_ended = subscription.ends_on is not None and subscription.ends_on <= today
    if subscription.plan.trial_days or not subscription.price or has_ended:
        return
    invoice = renewals.draft(subscription, today, today, actor=actor)
    invoice.period_start = today  # until it begins
    line = Line(texts.first_period(subscription), subscription.price, tax_rate=subscription.tax_rate)
    invoicing.put_lines(invoice, [line])
    invoicing.issue([invoice], actor=actor)


def begin(subscription: Subscription, invoice: Invoice, moment: datetime.datetime) -> None:
    """Let the period that `invoice` is for begin at `moment`, at the price that was asked.

    What it charges for days after the end of the subscription is kept as credit.
    """
    start, currency = local_date(moment), subscription.currency_code
    subscription.start_date, subscription.anchor_day = moment, start.day
    end = renewals.whole_period_end(subscription, start)
    last = min(end, max(subscription.ends_on or end, start))
    rate = Decimal(invoice.taxes[0]["rate"])
    charged = min(invoice.subtotal, without_tax(invoice.standing, rate, currency))
    price = proration.used(charged, currency, start=start, end=end, until=last)
    back = min(with_tax(charged - price, rate, currency), invoice.standing)
    subscription.credit += back
    invoice.given_back += back
    subscription.next_invoice_on, invoice.period_start = last, None
    if start < last:
        invoice.period_start = start
        subscription.period_start, subscription.period_end = start, last
        subscription.period_price, subscription.period_tax_rate = price, rate
        terms.begin(subscription, price=invoice.subtotal, since=start)
    invoice.save(update_fields=["period_start", "given_back"])
    subscription.save()
