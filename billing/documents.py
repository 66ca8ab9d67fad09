"""The PDF of an invoice or credit note: made once, kept by Django's storage, and never made again."""

import re
import uuid

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils.module_loading import import_string

from billing.models import CreditNote, Invoice
from tenants.models import Branding


def file_of(document: Invoice | CreditNote) -> bytes:
    """The PDF of an issued document, made now if it was not. Calls the storage: no transaction should be open.

    Of two that make it at once the first to write its file's name wins, and both give out that file.
    """
    if document.invoice_file is None:
        render = import_string("billing.pdf.render")  # reportlab, loaded by those who make a document
        content = render(document, colour=_colour(document))
        name = default_storage.save(_name(document), ContentFile(content))
        rows = type(document).everything.filter(id=document.id)
        if rows.filter(invoice_file=None).update(invoice_file=name):
            document.invoice_file = name
            return content
        default_storage.delete(name)
        document.invoice_file = rows.values_list("invoice_file", flat=True).get()
    with default_storage.open(str(document.invoice_file)) as file:
        return file.read()


def _colour(document: Invoice | CreditNote) -> str:
    """`primaryColor` of the tenant's branding, else SELLER_COLOUR."""
    invoice = document if isinstance(document, Invoice) else document.invoice
    branding = Branding.objects.filter(tenant=invoice.tenant_id).order_by("created_on").first()
    wanted = (
        branding.theme_metadata.get("primaryColor") if branding and isinstance(branding.theme_metadata, dict) else None
    )
    return wanted if isinstance(wanted, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", wanted) else settings.SELLER_COLOUR


def _name(document: Invoice | CreditNote) -> str:
    """A name that no other file has or had, so that no storage overwrites one."""
    assert document.issued_on is not None
    return f"documents/{document.issued_on:%Y/%m}/{document.number}-{uuid.uuid4().hex[:12]}.pdf"
