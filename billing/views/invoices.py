"""Invoices: as the reference has them, their documents, payments and credit notes."""

from typing import ClassVar

from django.db import transaction
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.response import Response

from billing import invoicing, settlement
from billing.documents import pdf_of
from billing.models import CreditNote, Invoice, InvoiceStatus
from billing.serializers import (
    CreditNoteSerializer,
    InvoiceSerializer,
    NewCreditNoteSerializer,
    NewPaymentSerializer,
    PaymentSerializer,
)
from config.api import ApiViewSet, crud_codes
from config.errors import BadRequest, Conflict
from config.fields import Id
from config.schema import model_schema
from identity import permissions as codes
from identity.idempotency import IdempotentMixin

A_PDF = {(200, "application/pdf"): OpenApiTypes.BINARY}


def _attachment(document: Invoice | CreditNote) -> HttpResponse:
    """The document as a download. Raises Conflict for a draft."""
    if document.number is None:
        raise Conflict("A draft has no document: issue it first.", code="not_issued")
    return pdf_of(document)


@model_schema("Invoice", "Invoices")
class InvoiceViewSet(IdempotentMixin, ApiViewSet):
    serializer_class = InvoiceSerializer
    search_fields = ("number", "currency_code")
    staff_actions = frozenset({"update", "partial_update", "bulk_update", "destroy", "add_payment", "add_credit_note"})
    error_statuses: ClassVar = {
        **dict.fromkeys(("destroy", "download", "download_by_path", "add_payment", "add_credit_note"), (409,)),
        "download_by_query": (400, 404, 409),
    }
    permission_codes: ClassVar = {
        **crud_codes(
            create=codes.CREATE_INVOICE, update=codes.UPDATE_INVOICE, delete=codes.DELETE_INVOICE,
            view=codes.VIEW_INVOICE,
        ),
        **dict.fromkeys(
            ("download", "download_by_path", "download_by_query"), (codes.CREATE_INVOICE, codes.VIEW_INVOICE)
        ),
        "payments": (codes.VIEW_PAYMENT, codes.VIEW_INVOICE),
        "credit_notes": (codes.VIEW_BILL, codes.VIEW_INVOICE),
        "add_payment": (codes.CREATE_PAYMENT, codes.UPDATE_INVOICE),
        "add_credit_note": (codes.DELETE_BILL, codes.UPDATE_INVOICE),
    }  # fmt: skip

    def perform_create(self, values):
        lines, wanted = values.pop("lines"), InvoiceStatus(values.pop("status", InvoiceStatus.PENDING))
        if self.request.user.lead_id is not None:
            wanted = _of_a_lead(wanted)
        return invoicing.create(values=values, lines=lines, status=wanted, actor=self.request.user.actor_id)

    def held(self, instance):
        return settlement.locked(instance.id)

    def hold_all(self, queryset):
        settlement.locked_latest_first(queryset)

    def perform_update(self, instance, values):
        self._change(instance.id, dict(values))

    def perform_bulk_update(self, queryset, values):
        if all(value is None for value in values.values()):
            return queryset.count()
        ids = settlement.locked_latest_first(queryset)
        for id in ids:
            self._change(id, dict(values))
        return len(ids)

    def _change(self, id, values) -> None:
        lines, wanted = values.pop("lines"), values.pop("status", None)
        wanted = None if wanted is None else InvoiceStatus(wanted)
        invoicing.change(id, values=values, lines=lines, status=wanted, actor=self.request.user.actor_id)

    def destroy(self, request, id):
        """A draft is deleted. What is issued is kept, and cancelled by a credit note instead."""
        with transaction.atomic():
            if settlement.locked(self.found(id=id).id).is_issued:
                raise Conflict(
                    "An issued invoice is kept: cancel it instead (status CANCELLED).", code="invoice_issued"
                )
            return super().destroy(request, id)

    @extend_schema(operation_id="downloadInvoice", summary="Download the PDF", responses=A_PDF)
    def download(self, request, id):
        """The document, made once when the invoice was issued and the same ever since."""
        return _attachment(self.found(id=id))

    @extend_schema(operation_id="downloadInvoiceByPath", summary="Download the PDF", responses=A_PDF)
    def download_by_path(self, request, id):
        """As /invoices/{id}/download."""
        return self.download(request, id)

    @extend_schema(
        operation_id="downloadInvoiceByQuery", summary="Download the PDF", responses=A_PDF,
        parameters=[OpenApiParameter("id", OpenApiTypes.UUID, required=True)],
    )  # fmt: skip
    def download_by_query(self, request):
        """As /invoices/{id}/download."""
        try:
            id = Id().run_validation(request.query_params.get("id"))
        except ValidationError as error:
            raise BadRequest("id must be the id of an invoice.") from error
        return _attachment(self.found(id=id))

    @extend_schema(
        operation_id="findPaymentsOfInvoice", summary="The payments", responses={200: PaymentSerializer(many=True)}
    )
    def payments(self, request, id):
        """The oldest first."""
        payments = self.found(id=id).payments(manager="objects").order_by("date", "id")
        return Response([PaymentSerializer(each).data for each in payments])

    @extend_schema(
        operation_id="createPayment", summary="Record a payment", request=NewPaymentSerializer,
        responses={200: PaymentSerializer},
    )  # fmt: skip
    def add_payment(self, request, id):
        """In part, in full, or too much; PAID once it is covered. A negative amount is money paid back."""
        invoice = self.found(id=id)
        values = self._valid_for(invoice, NewPaymentSerializer)
        payment = settlement.record_payment(invoice.id, **values, actor=request.user.actor_id)
        return Response(PaymentSerializer(payment).data)

    @extend_schema(
        operation_id="findCreditNotesOfInvoice", summary="The credit notes",
        responses={200: CreditNoteSerializer(many=True)},
    )  # fmt: skip
    def credit_notes(self, request, id):
        """The oldest first."""
        notes = self.found(id=id).credit_notes(manager="objects").order_by("issued_on", "id")
        return Response([CreditNoteSerializer(each).data for each in notes])

    @extend_schema(
        operation_id="createCreditNote", summary="Take an invoice back", request=NewCreditNoteSerializer,
        responses={200: CreditNoteSerializer},
    )  # fmt: skip
    def add_credit_note(self, request, id):
        """Wholly, and it is CANCELLED, or in part. What was paid beyond the rest is then to be paid back."""
        invoice = self.found(id=id)
        values = {"amount": None, **self._valid_for(invoice, NewCreditNoteSerializer)}
        note = settlement.record_credit(invoice.id, **values, actor=request.user.actor_id)
        return Response(CreditNoteSerializer(note).data)

    def _valid_for(self, invoice, serializer_class) -> dict:
        serializer = serializer_class(
            data=self.request.data, context={**self.get_serializer_context(), "invoice": invoice}
        )
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


def _of_a_lead(wanted: InvoiceStatus) -> InvoiceStatus:
    """A lead may ask for an invoice, as in the reference; staff issue it. Raises PermissionDenied for a settled one."""
    if wanted not in (InvoiceStatus.DRAFT, InvoiceStatus.PENDING):
        raise PermissionDenied("A lead cannot settle an invoice.")
    return InvoiceStatus.DRAFT


class ReadOnlyViewSet(ApiViewSet):
    """What is written elsewhere: payments and credit notes at their invoice."""


@model_schema("Payment", "Billing")
class PaymentViewSet(ReadOnlyViewSet):
    serializer_class = PaymentSerializer
    search_fields = ("reference",)
    permission_codes: ClassVar = dict.fromkeys(("list", "count", "retrieve"), (codes.VIEW_PAYMENT, codes.VIEW_INVOICE))


@model_schema("CreditNote", "Billing")
class CreditNoteViewSet(ReadOnlyViewSet):
    serializer_class = CreditNoteSerializer
    search_fields = ("number",)
    permission_codes: ClassVar = dict.fromkeys(
        ("list", "count", "retrieve", "download"), (codes.VIEW_BILL, codes.VIEW_INVOICE)
    )

    @extend_schema(operation_id="downloadCreditNote", summary="Download the PDF", responses=A_PDF)
    def download(self, request, id):
        """The document, made once and the same ever since."""
        return _attachment(self.found(id=id))
