"""Invoices."""

from typing import ClassVar

from billing.serializers import InvoiceSerializer
from config.api import ApiViewSet, crud_codes
from config.schema import model_schema
from identity import permissions as codes
from identity.idempotency import IdempotentMixin


@model_schema("Invoice", "Invoices")
class InvoiceViewSet(IdempotentMixin, ApiViewSet):
    serializer_class = InvoiceSerializer
    search_fields = ("currency_code",)
    permission_codes: ClassVar = crud_codes(
        create=codes.CREATE_INVOICE, update=codes.UPDATE_INVOICE, delete=codes.DELETE_INVOICE, view=codes.VIEW_INVOICE
    )
