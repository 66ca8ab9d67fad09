"""Invoices on the wire."""

from rest_framework.exceptions import ErrorDetail, ValidationError

from billing.models import Invoice
from config.fields import RelatedId
from config.serializers import AUDIT_FIELDS, ModelSerializer, Relation
from tenants.models import Tenant
from tenants.serializers import TenantSerializer


class InvoiceSerializer(ModelSerializer):
    tenant_id = RelatedId(source="tenant", queryset=Tenant.objects.all())

    class Meta:
        model = Invoice
        fields = (
            "id", "start_date", "end_date", "amount", "currency_code", "invoice_file", "due_date", "status",
            "tenant_id", *AUDIT_FIELDS,
        )  # fmt: skip
        read_only_fields = ("invoice_file",)

    def validate(self, attrs):
        start = attrs.get("start_date", getattr(self.instance, "start_date", None))
        end = attrs.get("end_date", getattr(self.instance, "end_date", None))
        if start and end and end < start:
            raise ValidationError({"endDate": ErrorDetail("The period ends before it starts.", code="minimum")})
        return attrs


InvoiceSerializer.relations["tenant"] = Relation("tenant", TenantSerializer, many=False)
