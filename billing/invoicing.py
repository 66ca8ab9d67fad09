"""From a draft to an issued invoice, and what may still happen to it then.

The only place that writes what is issued: its content is frozen, its status follows from payments and credit notes
(`billing.settlement`). Locks are taken in the order tenant, subscription, invoice, number series.
"""

import datetime
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing import numbering, parties, settlement
from billing.models import Invoice, InvoiceStatus
from billing.signals import invoices_issued
from billing.totals import Line, kept_lines, totals
from config.errors import Conflict

FROZEN = _("An issued invoice does not change; cancel it by a credit note, and issue another.")


def put_lines(invoice: Invoice, lines: Sequence[Line]) -> None:
    """Give a draft its lines and what they add up to."""
    worked_out = totals(lines, invoice.currency_code)
    invoice.lines, invoice.taxes = worked_out.lines, worked_out.taxes
    invoice.subtotal, invoice.tax_total, invoice.amount = worked_out.subtotal, worked_out.tax_total, worked_out.total


@transaction.atomic
def create(
    *, values: Mapping[str, Any], lines: Sequence[Line], status: InvoiceStatus, actor: uuid.UUID | None
) -> Invoice:
    """An invoice of `status`: a draft, or issued at once, and paid or cancelled besides."""
    invoice = Invoice(**values, status=InvoiceStatus.DRAFT, created_by=actor, modified_by=actor)
    put_lines(invoice, lines)
    if status == InvoiceStatus.DRAFT:
        invoice.save(force_insert=True)
    else:
        issue([invoice], actor=actor)
        move(invoice, status, actor=actor)
    return invoice


def issue(invoices: Sequence[Invoice], *, actor: uuid.UUID | None, now: datetime.datetime | None = None) -> None:
    """Number and freeze drafts, stored or new ones; the earlier in the list, the lower the number.

    Everything is prepared before the numbers are taken, since nobody else can take one until the transaction ends.
    What is free is paid at once. Needs a transaction.
    """
    if not invoices:
        return
    now = now or timezone.now()
    stored = [invoice for invoice in invoices if not invoice._state.adding]
    seller, buyers = parties.seller(), parties.buyers(invoice.tenant for invoice in invoices)
    for invoice in invoices:
        if invoice.is_issued:
            raise Conflict(FROZEN, code="invoice_issued")
        invoice.seller, invoice.buyer = seller, buyers[invoice.tenant_id]
        invoice.issued_on, invoice.modified_by = now, actor
        invoice.status = InvoiceStatus.PENDING if invoice.amount else InvoiceStatus.PAID
    numbers = numbering.take(settings.INVOICE_SERIES, len(invoices), now=now)
    for invoice, number in zip(invoices, numbers, strict=True):
        invoice.number = number
    Invoice.objects.bulk_create(invoice for invoice in invoices if invoice._state.adding)
    for invoice in stored:
        invoice.save(update_fields=["number", "issued_on", "status", "seller", "buyer", "modified_by"])
    invoices_issued.send(Invoice, invoices=invoices, actor=actor)


@transaction.atomic
def change(
    invoice_id: uuid.UUID,
    *,
    values: Mapping[str, Any],
    lines: Sequence[Line] | None,
    status: InvoiceStatus | None,
    actor: uuid.UUID | None,
) -> None:
    """What a PATCH or PUT does: change a draft, and move the status.

    `lines` are for a draft; None leaves them. Raises Conflict (409) for a change of what is issued, and for a status
    that no way leads to.
    """
    invoice = settlement.locked(invoice_id)
    changed = {name: value for name, value in values.items() if getattr(invoice, name) != value}
    if invoice.is_issued:
        if changed or (lines is not None and list(lines) != kept_lines(invoice.lines)):
            raise Conflict(FROZEN, code="invoice_issued")
    elif changed or lines is not None:
        for name, value in changed.items():
            setattr(invoice, name, value)
        put_lines(invoice, kept_lines(invoice.lines) if lines is None else lines)
    invoice.modified_by = actor
    invoice.save()
    if status is not None:
        move(invoice, status, actor=actor)


def move(invoice: Invoice, status: InvoiceStatus, *, actor: uuid.UUID | None) -> None:
    """What `status` in a request means: issue a draft, record a payment in full, or cancel by a credit note.

    The invoice must be locked. Raises Conflict for a move that does not exist.
    """
    if status == invoice.status:
        return
    present = InvoiceStatus(invoice.status)
    if present == InvoiceStatus.DRAFT and status in (InvoiceStatus.PENDING, InvoiceStatus.PAID):
        issue([invoice], actor=actor)
        move(invoice, status, actor=actor)
    elif present == InvoiceStatus.PENDING and status == InvoiceStatus.PAID:
        settlement.pay_in_full(invoice, actor=actor)
    elif present in (InvoiceStatus.PENDING, InvoiceStatus.PAID) and status == InvoiceStatus.CANCELLED:
        settlement.cancel(invoice, actor=actor)
    elif not (present == InvoiceStatus.PAID and status == InvoiceStatus.PENDING and not invoice.amount):
        states = {"present": present.label, "target": status.label}
        raise Conflict(_("An invoice cannot go from %(present)s to %(target)s.") % states, code="illegal_move")
