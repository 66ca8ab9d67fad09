"""What becomes of an issued invoice: payments and credit notes, and the status that follows from them."""

import datetime
import logging
import uuid
from collections.abc import Sequence
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound

from billing import dunning, numbering, proration, texts
from billing.gateways.base import Receipt
from billing.models import CreditNote, Invoice, InvoiceStatus, Payment, Subscription
from billing.money import MOST, ZERO, shown
from billing.periods import local_date
from billing.signals import invoice_credited, invoice_paid
from billing.totals import TaxOfRate, at_rate, kept_lines, kept_taxes, split_credit
from config.errors import Conflict
from tenants.lifecycle import locked_in_any_case
from tenants.models import Tenant

logger = logging.getLogger("tenantry.billing")


def locked(invoice_id: uuid.UUID) -> Invoice:
    """The invoice: the rows of its tenant, its subscription and its own locked, in this order. Raises NotFound."""
    owners = Invoice.objects.filter(id=invoice_id).values_list("tenant_id", "subscription_id").first()
    if owners is None:
        raise NotFound
    tenant_id, subscription_id = owners
    locked_in_any_case(tenant_id)
    subscription = None
    if subscription_id is not None:
        subscription = Subscription.everything.select_for_update(of=("self",), no_key=True).get(id=subscription_id)
    invoices = Invoice.objects.select_for_update(of=("self",), no_key=True).select_related("tenant")
    invoice = invoices.filter(id=invoice_id).first()
    if invoice is None:
        raise NotFound
    invoice.subscription = subscription
    return invoice


def lock_owners(invoice_ids: Sequence[uuid.UUID]) -> None:
    """Lock the rows of the tenants, and then of the subscriptions, of several invoices that are to be changed in one
    transaction, before the first of them.

    Else the first invoice's number would be taken before the second's tenant is locked, which is the wrong order.
    """
    invoices = Invoice.objects.filter(id__in=invoice_ids)
    for owners in (
        Tenant.everything.filter(id__in=invoices.values("tenant_id")),
        Subscription.everything.filter(id__in=invoices.values("subscription_id")),
    ):
        list(owners.order_by("id").select_for_update(of=("self",), no_key=True).values_list("id"))


@transaction.atomic
def record_payment(
    invoice_id: uuid.UUID,
    *,
    amount: Decimal,
    actor: uuid.UUID | None,
    date: datetime.datetime | None = None,
    method: str = "",
    reference: str = "",
    gateway: str = "manual",
) -> Payment:
    """Money received for an issued invoice, or with a negative amount paid back; in part, in full, or too much.

    Raises NotFound, Conflict for a draft, for more paid back than was paid, or for more paid than can be kept,
    IntegrityError (409) for a `reference` of the gateway's that this invoice has already.
    """
    return _pay(
        locked(invoice_id),
        Payment(amount=amount, date=date or timezone.now(), method=method, reference=reference, gateway=gateway),
        actor,
    )


def pay_in_full(invoice: Invoice, *, actor: uuid.UUID | None) -> Payment:
    """Record what is open of a locked invoice as paid."""
    return _pay(invoice, Payment(amount=invoice.open_amount), actor)


def _pay(invoice: Invoice, payment: Payment, actor: uuid.UUID | None) -> Payment:
    if not invoice.is_issued:
        raise Conflict(_("A draft is not paid: issue it first."), code="illegal_move")
    if invoice.paid_amount + payment.amount < 0:
        paid = shown(invoice.paid_amount, invoice.currency_code)
        raise Conflict(_("No more can be paid back than was paid: %s.") % paid, code="amount")
    if invoice.paid_amount + payment.amount > MOST:
        raise Conflict(_("No more can be paid than %s.") % shown(MOST, invoice.currency_code), code="amount")
    payment.invoice, payment.created_by, payment.modified_by = invoice, actor, actor
    payment.save(force_insert=True)
    invoice.paid_amount += payment.amount
    _settle(invoice, actor)
    return payment


@transaction.atomic
def record_receipt(receipt: Receipt, *, gateway: str) -> None:
    """What a gateway has received; once, however often it says so.

    Raises Conflict for an invoice that does not exist or is in another currency: the gateway will come again, and its
    owner learn of it.
    """
    invoice = Invoice.objects.filter(number=receipt.number).first()
    if invoice is None or invoice.currency_code != receipt.currency_code:
        logger.error("%s was paid %s for %s, which is no invoice in that currency", gateway, receipt, receipt.number)
        asked = {"number": receipt.number, "currency": receipt.currency_code}
        raise Conflict(_("There is no invoice %(number)s in %(currency)s.") % asked, code="unknown_invoice")
    invoice = locked(invoice.id)
    if not invoice.payments(manager="objects").filter(gateway=gateway, reference=receipt.reference).exists():
        payment = Payment(
            amount=receipt.amount,
            date=receipt.date or timezone.now(),
            method=gateway,
            reference=receipt.reference,
            gateway=gateway,
        )
        _pay(invoice, payment, settings.SYSTEM_USER_ID)


@transaction.atomic
def record_credit(invoice_id: uuid.UUID, *, amount: Decimal | None, reason: str, actor: uuid.UUID | None) -> CreditNote:
    """Take an issued invoice back by a credit note: `amount` of its total with tax, None for all that is left.

    Wholly credited, it is CANCELLED, and what credit was taken off it is the subscription's again. What was paid beyond
    what is left is then open with a minus, to be paid back. Raises NotFound, and Conflict for a draft, for more than is
    left, or for a credit that is in another currency than the subscription is now.
    """
    return credit(locked(invoice_id), amount=amount, reason=reason, actor=actor)


def cancel(invoice: Invoice, *, actor: uuid.UUID | None) -> None:
    """Credit all that is left of a locked invoice; one that is free is cancelled without a credit note."""
    if invoice.amount:
        credit(invoice, amount=None, reason="", actor=actor)
    else:
        invoice.status = InvoiceStatus.CANCELLED
        _tell_subscription(invoice, [], actor)
        _settle(invoice, actor)


def credit(invoice: Invoice, *, amount: Decimal | None, reason: str, actor: uuid.UUID | None) -> CreditNote:
    """As `record_credit`, of a locked invoice."""
    if not invoice.is_issued:
        raise Conflict(_("A draft is not credited: delete it."), code="illegal_move")
    before = [each for note in invoice.credit_notes(manager="objects").all() for each in note.taxes]
    left = invoice.amount - invoice.credited_amount
    try:
        parts = split_credit(
            left if amount is None else amount, taxes=invoice.taxes, credited=before, currency=invoice.currency_code
        )
    except ValueError as error:
        rest = shown(left, invoice.currency_code)
        raise Conflict(_("No more can be credited than is left of the invoice: %s.") % rest, code="amount") from error
    note = _credit_note(invoice, parts, reason, actor)
    invoice.credited_amount += note.amount
    _tell_subscription(invoice, parts, actor)
    _settle(invoice, actor)
    invoice_credited.send(CreditNote, credit_note=note, actor=actor)
    return note


def _credit_note(invoice: Invoice, parts: list[TaxOfRate], reason: str, actor: uuid.UUID | None) -> CreditNote:
    subtotal, tax_total = sum((part.net for part in parts), ZERO), sum((part.tax for part in parts), ZERO)
    lines = [
        {
            "description": texts.credit_for(invoice),
            "quantity": "1",
            "unit_price": f"{part.net:f}",
            "discount_percent": "0",
            "tax_rate": f"{part.rate:f}",
            "amount": f"{part.net:f}",
        }
        for part in parts
    ]
    now = timezone.now()
    note = CreditNote(
        invoice=invoice, currency_code=invoice.currency_code, amount=subtotal + tax_total, reason=reason,
        lines=lines, taxes=kept_taxes(parts), subtotal=subtotal, tax_total=tax_total,
        seller=invoice.seller, buyer=invoice.buyer, issued_on=now, created_by=actor, modified_by=actor,
    )  # fmt: skip
    (note.number,) = numbering.take(settings.CREDIT_NOTE_SERIES, 1, now=now)
    note.save(force_insert=True)
    return note


def _tell_subscription(invoice: Invoice, parts: Sequence[TaxOfRate], actor: uuid.UUID | None) -> None:
    """Take what was credited of an invoice off the price of the running period, which a change of plan gives back of;
    and of a cancelled one return the credit that was taken off it.
    """
    subscription = invoice.subscription
    if subscription is None:
        return
    currency, gone = invoice.currency_code, list(parts)
    if invoice.credit_taken and invoice.settled_status() == InvoiceStatus.CANCELLED:
        if currency != subscription.currency_code:
            refusal = _("The credit of %(credit)s that was taken off the invoice cannot be turned into %(currency)s.")
            taken = {"credit": shown(invoice.credit_taken, currency), "currency": subscription.currency_code}
            raise Conflict(refusal % taken, code="currency")
        rate = kept_lines(invoice.lines)[0].tax_rate  # of all its lines: else no credit is taken off
        gone.append(TaxOfRate(rate, invoice.credit_taken, ZERO))
        subscription.credit += at_rate(invoice.credit_taken, subscription.tax_rate, former=rate, currency=currency)
    start, end = subscription.period_start, subscription.period_end
    first, last = local_date(invoice.start_date), local_date(invoice.end_date)
    if start is not None and end is not None and start <= first and end <= last:
        rate = subscription.period_tax_rate
        net = sum((at_rate(part.net, rate, former=part.rate, currency=currency) for part in gone), ZERO)
        subscription.period_price -= proration.for_days(net, currency, days=end - start, of=last - first)
        subscription.period_price = max(subscription.period_price, ZERO)
    subscription.modified_by = actor
    subscription.save(update_fields=["credit", "period_price", "modified_by"])


def _settle(invoice: Invoice, actor: uuid.UUID | None) -> None:
    """Write what was paid and credited, and the status that follows; tell of a payment in full.

    One that is open again after all is marked and reminded of anew.
    """
    former, invoice.status = invoice.status, invoice.settled_status()
    invoice.modified_by = actor
    changed = ["paid_amount", "credited_amount", "status", "modified_by"]
    if former == InvoiceStatus.PAID and invoice.status == InvoiceStatus.PENDING:
        invoice.overdue_on, invoice.reminders_sent = None, 0
        changed += ["overdue_on", "reminders_sent"]
    invoice.save(update_fields=changed)
    if invoice.status == InvoiceStatus.PAID and former == InvoiceStatus.PENDING:
        invoice_paid.send(Invoice, invoice=invoice, actor=actor)
    if former == InvoiceStatus.PENDING and invoice.status != InvoiceStatus.PENDING:
        dunning.resume_if_settled(invoice.tenant_id, actor=actor)
