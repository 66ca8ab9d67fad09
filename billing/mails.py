"""The mails about money, to a tenant's billing contact, else to its primary one."""

from django.core.mail import EmailMultiAlternatives
from django.utils.functional import lazy

from billing import gateways, texts
from billing.documents import file_of
from billing.models import CreditNote, Invoice, InvoiceStatus, Subscription
from billing.money import shown
from billing.periods import local_date
from config.mail import compose
from tenants.models import Contact, Tenant

amount, day = lazy(shown, str), lazy(texts.day, str)
"""In the language that the mail comes to be rendered in."""


def billing_contact(tenant: Tenant) -> Contact | None:
    """The oldest contact of type "billing", in any letter case, else the primary one."""
    contacts = tenant.contacts(manager="objects")
    found = contacts.filter(contact_type__iexact="billing").order_by("created_on", "id").first()
    return found or tenant.primary_contact


def _about(name: str, document: Invoice | CreditNote, invoice: Invoice, **context) -> EmailMultiAlternatives | None:
    """The mail with the document attached; the document is made even where there is nobody to write to."""
    content = file_of(document)
    contact = billing_contact(invoice.tenant)
    if contact is None:
        return None
    mail = compose(
        name, to=contact.email, language=invoice.tenant.language, contact=contact, invoice=invoice,
        tenant=invoice.tenant, total=amount(document.amount, invoice.currency_code), **context,
    )  # fmt: skip
    mail.attach(f"{document.number}.pdf", content, "application/pdf")
    return mail


def invoice(issued: Invoice) -> EmailMultiAlternatives | None:
    """An invoice that was issued."""
    return _about("invoice", issued, issued, **_how_to_pay(issued))


def invoice_reminder(overdue: Invoice) -> EmailMultiAlternatives | None:
    """A reminder; None for an invoice that was settled meanwhile."""
    if overdue.status != InvoiceStatus.PENDING:
        return None
    return _about("invoice_reminder", overdue, overdue, **_how_to_pay(overdue))


def credit_note(note: CreditNote) -> EmailMultiAlternatives | None:
    """A credit note."""
    return _about("credit_note", note, note.invoice, note=note)


def subscription_ending(ending: Subscription) -> EmailMultiAlternatives | None:
    """That a subscription ends soon."""
    contact = billing_contact(ending.tenant)
    if contact is None or ending.end_date is None:
        return None
    return compose(
        "subscription_ending", to=contact.email, language=ending.tenant.language, contact=contact, subscription=ending,
        tenant=ending.tenant, day=day(local_date(ending.end_date)),
    )  # fmt: skip


def _how_to_pay(invoice: Invoice) -> dict:
    """What is open, until when, and where it can be paid."""
    urls = (gateway.payment_url(invoice) for gateway in gateways.active().values())
    is_open = invoice.status == InvoiceStatus.PENDING
    return {
        "open_amount": amount(invoice.open_amount, invoice.currency_code) if is_open else None,
        "due": day(local_date(invoice.due_date)),
        "link": next(filter(None, urls), None) if is_open else None,
    }
