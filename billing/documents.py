"""The PDF of an invoice or credit note: made once, kept by Django's storage, and never made again."""

import re
import uuid
from collections.abc import Sequence

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Case, Value, When
from django.http import HttpResponse
from django.utils.module_loading import import_string

from billing.models import CreditNote, Invoice
from config.downloads import attachment
from tenants.models import Branding

Document = Invoice | CreditNote
BATCH = 50
"""PDFs in memory at a time, and at most so many files that a killed process leaves behind unnamed."""


def file_of(document: Document) -> bytes:
    """The PDF of an issued document, made now if it was not. Calls the storage: no transaction should be open."""
    if document.invoice_file is None:
        content = _make([document]).get(document.id)
        if content is not None:
            return content
    with default_storage.open(str(document.invoice_file)) as file:
        return file.read()


def pdf_of(document: Document) -> HttpResponse:
    """The PDF of an issued document as a download. Calls the storage as `file_of` does."""
    return attachment(file_of(document), f"{document.number}.pdf", "application/pdf")


def make(documents: Sequence[Document]) -> None:
    """Make the PDFs of issued documents, all of one kind, that have none. Calls the storage as `file_of` does."""
    wanted = [document for document in documents if document.invoice_file is None]
    for first in range(0, len(wanted), BATCH):
        _make(wanted[first : first + BATCH])


def _make(documents: Sequence[Document]) -> dict[uuid.UUID, bytes]:
    """The PDFs that were made and kept, by the document's id.

    Of two that make one at once the first to write its file's name wins, and the other's file is deleted.
    """
    render = import_string("billing.pdf.render")  # reportlab, loaded by those who make a document
    colours = _colours(documents)
    contents = {each.id: render(each, colour=colours[each.id]) for each in documents}
    names = {each.id: default_storage.save(_name(each), ContentFile(contents[each.id])) for each in documents}
    rows = type(documents[0]).everything.filter(id__in=list(names))
    chosen = Case(*(When(id=id, then=Value(name)) for id, name in names.items()))
    owners = ("tenant_id", "id") if isinstance(documents[0], Invoice) else ("id",)
    with transaction.atomic():  # in the order of who changes many invoices
        list(rows.order_by(*owners).select_for_update(no_key=True).values_list("id"))
        rows.filter(invoice_file=None).update(invoice_file=chosen)
    kept = dict(rows.values_list("id", "invoice_file"))
    for document in documents:
        document.invoice_file = kept[document.id]
        if kept[document.id] != names[document.id]:
            default_storage.delete(names[document.id])
            del contents[document.id]
    return contents


def _colours(documents: Sequence[Document]) -> dict[uuid.UUID, str]:
    """By the document's id `primaryColor` of its tenant's branding, the oldest one, else SELLER_COLOUR."""
    tenants = {each.id: each.tenant_id if isinstance(each, Invoice) else each.invoice.tenant_id for each in documents}
    themes: dict[uuid.UUID, object] = {}
    for branding in Branding.objects.filter(tenant__in=set(tenants.values())).order_by("created_on"):
        themes.setdefault(branding.tenant_id, branding.theme_metadata)
    return {id: _colour(themes.get(tenant)) for id, tenant in tenants.items()}


def _colour(theme: object) -> str:
    wanted = theme.get("primaryColor") if isinstance(theme, dict) else None
    return wanted if isinstance(wanted, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", wanted) else settings.SELLER_COLOUR


def _name(document: Document) -> str:
    """A name that no other file has or had, so that no storage overwrites one."""
    assert document.issued_on is not None
    return f"documents/{document.issued_on:%Y/%m}/{document.number}-{uuid.uuid4().hex[:12]}.pdf"
