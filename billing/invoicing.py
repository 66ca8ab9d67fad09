"""What happens to an invoice, told as it happens."""

import uuid

from billing.models import Invoice, InvoiceStatus
from billing.signals import invoice_issued, invoice_paid


def announce(invoice: Invoice, *, former: int | None, actor: uuid.UUID | None) -> None:
    """Send the signals of a move from status `former`, None for a new invoice. Needs the change's transaction."""
    was_issued = former is not None and former != InvoiceStatus.DRAFT
    if not was_issued and invoice.status in (InvoiceStatus.PENDING, InvoiceStatus.PAID):
        invoice_issued.send(Invoice, invoice=invoice, actor=actor)
    if former != InvoiceStatus.PAID and invoice.status == InvoiceStatus.PAID:
        invoice_paid.send(Invoice, invoice=invoice, actor=actor)
