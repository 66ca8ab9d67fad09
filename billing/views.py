"""Plans and invoices."""

from typing import ClassVar

from billing.invoicing import announce
from billing.models import Invoice
from billing.serializers import InvoiceSerializer, PlanSerializer
from config.api import ApiViewSet, crud_codes
from config.schema import model_schema
from identity import permissions as codes
from identity.idempotency import IdempotentMixin


@model_schema("Plan", "Plans")
class PlanViewSet(IdempotentMixin, ApiViewSet):
    """Without a token, or with one that lacks 7008, what is for self-service can be read, for a sign-up page."""

    serializer_class = PlanSerializer
    search_fields = ("name",)
    open_actions = frozenset({"list", "count", "retrieve"})
    permission_codes: ClassVar = crud_codes(
        create=codes.CREATE_PLAN, update=codes.UPDATE_PLAN, delete=codes.DELETE_PLAN, view=codes.VIEW_PLAN
    )

    def get_queryset(self):
        visible = super().get_queryset()
        reads_all = self.action not in self.open_actions or self._holds(codes.VIEW_PLAN)
        return visible if reads_all else visible.for_self_service()

    def _holds(self, code: str) -> bool:
        return self.request.user is not None and code in self.request.user.permissions


@model_schema("Invoice", "Invoices")
class InvoiceViewSet(IdempotentMixin, ApiViewSet):
    serializer_class = InvoiceSerializer
    search_fields = ("currency_code",)
    permission_codes: ClassVar = crud_codes(
        create=codes.CREATE_INVOICE, update=codes.UPDATE_INVOICE, delete=codes.DELETE_INVOICE, view=codes.VIEW_INVOICE
    )

    def perform_create(self, values):
        invoice = super().perform_create(values)
        announce(invoice, former=None, actor=self.request.user.actor_id)
        return invoice

    def perform_update(self, instance, values):
        former = Invoice.objects.select_for_update(of=("self",), no_key=True).get(id=instance.id).status
        super().perform_update(instance, values)
        if "status" in values:
            announce(instance, former=former, actor=self.request.user.actor_id)

    def perform_bulk_update(self, queryset, values):
        if "status" not in values:
            return super().perform_bulk_update(queryset, values)
        former = dict(queryset.select_for_update(of=("self",), no_key=True).order_by("id").values_list("id", "status"))
        changed = super().perform_bulk_update(Invoice.objects.filter(id__in=former), values)
        for invoice in Invoice.objects.filter(id__in=former).select_related("tenant"):
            announce(invoice, former=former[invoice.id], actor=self.request.user.actor_id)
        return changed
