"""What becomes of an issued invoice: payments and credit notes, and the status that follows from them."""

import datetime
import logging
import uuid
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound

from billing import dunning, numbering, proration, texts
from billing.gateways.base import Receipt
from billing.models import CreditNote, Invoice, InvoiceStatus, Payment, Subscription
from billing.models.invoices import InvoiceQuerySet
from billing.money import MOST, ZERO, is_payable, shown
from billing.periods import local_date, midnight
from billing.signals import invoice_credited, invoice_paid
from billing.totals import TaxOfRate, kept_taxes, split_credit, without_tax
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


def locked_latest_first(invoices: InvoiceQuerySet) -> list[uuid.UUID]:
    """The ids of several invoices in the order to change them in, in one transaction. The rows of their tenants, their
    subscriptions and their own are locked, in this order.

    All of them before the first changes, else its number would be taken before the next one's tenant is locked, which
    is the wrong order. Later invoices are paid by credit of earlier ones, so that the latest has to be cancelled first;
    drafts are the last, by the day they begin.
    """
    ids = list(invoices.values_list("id", flat=True))
    rows = Invoice.objects.filter(id__in=ids)
    Tenant.everything.filter(id__in=rows.values("tenant_id")).lock()
    Subscription.everything.filter(id__in=rows.values("subscription_id")).lock()
    list(rows.order_by("tenant_id", "id").select_for_update(of=("self",), no_key=True).values_list("id"))
    latest = (F("issued_on").desc(nulls_last=True), F("number").desc(nulls_last=True), "start_date", "id")
    return list(rows.order_by(*latest).values_list("id", flat=True))


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

    Raises Conflict for an invoice that does not exist or is in another currency, and for parts of a minor unit: the
    gateway will come again, and its owner learn of it.
    """
    invoice = Invoice.objects.filter(number=receipt.number).first()
    if invoice is None or invoice.currency_code != receipt.currency_code:
        logger.error("%s was paid %s for %s, which is no invoice in that currency", gateway, receipt, receipt.number)
        asked = {"number": receipt.number, "currency": receipt.currency_code}
        raise Conflict(_("There is no invoice %(number)s in %(currency)s.") % asked, code="unknown_invoice")
    if not is_payable(receipt.amount, receipt.currency_code):
        logger.error("%s was paid %s, which nobody can pay in that currency", gateway, receipt)
        raise Conflict(_("This cannot be paid in %s.") % receipt.currency_code, code="amount")
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
    what is left is then open with a minus, to be paid back. What a change of plan gave back of it is taken off the
    subscription's credit. Raises NotFound, and Conflict for a draft, for more than is left, for what was given back as
    credit that is spent, or for a credit that is in another currency than the subscription is now.
    """
    return credit(locked(invoice_id), amount=amount, reason=reason, actor=actor)


def cancel(invoice: Invoice, *, actor: uuid.UUID | None) -> None:
    """Credit all that is left of a locked invoice; one that is free is cancelled without a credit note."""
    if invoice.amount:
        credit(invoice, amount=None, reason="", actor=actor)
    else:
        invoice.status = InvoiceStatus.CANCELLED
        _tell_subscription(invoice, ZERO, actor)
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
    _tell_subscription(invoice, note.amount, actor)
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


def give_back(subscription: Subscription, amount: Decimal, *, start: datetime.date, end: datetime.date) -> None:
    """Add to the credit of a locked subscription what its plan's change gives back of the period from `start` to `end`.

    The invoices of the period, of which so much must stand, keep how much of them that was: the latest first, each what
    stands of it, so that a credit note does not give it once more.
    """
    if not amount:
        return
    subscription.credit += amount
    rows = _of_period(subscription, start, end).order_by("id").select_for_update(of=("self",), no_key=True)
    for invoice in sorted(rows, key=lambda each: each.start_date, reverse=True):
        part = min(amount, invoice.standing)
        if part > 0:
            amount -= part
            invoice.given_back += part
            invoice.save(update_fields=["given_back"])


def standing_of_period(subscription: Subscription, start: datetime.date, end: datetime.date) -> Decimal:
    """What stands, with tax, of the invoices that charge the days until the end of a period."""
    return sum((each.standing for each in _of_period(subscription, start, end)), ZERO)


def _of_period(subscription: Subscription, start: datetime.date, end: datetime.date) -> InvoiceQuerySet:
    """The issued invoices that charge the days until the end of a period: its own and those of dearer plans.

    One that was paid first names no days, and is known by the period alone.
    """
    of_days = Q(start_date__gte=midnight(start), end_date__gte=midnight(end))
    return Invoice.objects.filter(of_days | Q(period_start=start), subscription=subscription).issued()


def _tell_subscription(invoice: Invoice, amount: Decimal, actor: uuid.UUID | None) -> None:
    """Let a subscription know that `amount` of an invoice was credited, so that a change of plan does not give it too.

    What was given back of the invoice already is taken off the credit. Of the running period is left to be given back
    what stands of its invoices. The credit that was taken off a cancelled one is the subscription's again. Raises
    Conflict where that credit is spent, or in another currency.
    """
    subscription = invoice.subscription
    if subscription is None:
        return
    currency = invoice.currency_code
    same_currency = currency == subscription.currency_code
    if invoice.credit_taken and invoice.settled_status() == InvoiceStatus.CANCELLED:
        if not same_currency:
            refusal = _("The credit of %(credit)s that was taken off the invoice cannot be turned into %(currency)s.")
            taken = {"credit": shown(invoice.credit_taken, currency), "currency": subscription.currency_code}
            raise Conflict(refusal % taken, code="currency")
        subscription.credit += invoice.credit_taken
    beyond = max(-invoice.standing, ZERO)
    if beyond:
        credit = subscription.credit if same_currency else ZERO
        if beyond > credit:
            refusal = _("No more can be credited than %s: the rest was given back as credit, and that is spent.")
            raise Conflict(refusal % shown(amount - beyond + credit, currency), code="amount")
        subscription.credit -= beyond
        invoice.given_back -= beyond
    _lower_period_price(subscription, invoice)
    subscription.modified_by = actor
    subscription.save(update_fields=["credit", "period_price", "modified_by"])


def _lower_period_price(subscription: Subscription, changed: Invoice) -> None:
    """Of the running period no more is left to be given back than stands of its invoices, each by as much a day.

    Where the subscription ends before an invoice's days do, what that charged for those after was given back. `changed`
    is the one of them that is not saved yet; of another period's nothing follows.
    """
    start, end, currency = subscription.period_start, subscription.period_end, changed.currency_code
    if start is None or end is None:
        return
    invoices = {each.id: each for each in _of_period(subscription, start, end)}
    if changed.id not in invoices:
        return
    standing = sum(
        (
            proration.for_days(
                each.standing, currency, days=end - start, of=end - max(start, local_date(each.start_date))
            )
            for each in (invoices | {changed.id: changed}).values()
        ),
        ZERO,
    )
    net = without_tax(standing, subscription.period_tax_rate, currency)
    subscription.period_price = min(subscription.period_price, net)


def _settle(invoice: Invoice, actor: uuid.UUID | None) -> None:
    """Write what was paid and credited, and the status that follows; tell of a payment in full.

    One that is open again after all is marked and reminded of anew.
    """
    former, invoice.status = invoice.status, invoice.settled_status()
    invoice.modified_by = actor
    changed = ["paid_amount", "credited_amount", "given_back", "status", "modified_by"]
    if former == InvoiceStatus.PAID and invoice.status == InvoiceStatus.PENDING:
        invoice.overdue_on, invoice.reminders_sent = None, 0
        changed += ["overdue_on", "reminders_sent"]
    invoice.save(update_fields=changed)
    if invoice.status == InvoiceStatus.PAID and former == InvoiceStatus.PENDING:
        invoice_paid.send(Invoice, invoice=invoice, actor=actor)
    if former == InvoiceStatus.PENDING and invoice.status != InvoiceStatus.PENDING:
        dunning.resume_if_settled(invoice.tenant_id, actor=actor)
