"""Plans and invoices on the wire."""

from decimal import Decimal

from rest_framework.exceptions import ErrorDetail, ValidationError

from billing.models import Invoice, Plan
from billing.money import is_payable, minor_units
from config.fields import JSONObject, RelatedId
from config.serializers import AUDIT_FIELDS, ModelSerializer, Relation
from tenants.models import Tenant
from tenants.serializers import TenantSerializer


class PlanSerializer(ModelSerializer):
    size_config = JSONObject(required=False)

    class Meta:
        model = Plan
        fields = (
            "id", "name", "description", "tier", "price", "currency_code", "billing_cycle", "trial_days", "features",
            "size_config", "is_self_service", "is_active", *AUDIT_FIELDS,
        )  # fmt: skip

    def validate(self, attrs):
        price, currency = attrs.get("price"), attrs.get("currency_code")
        stored = self.instance
        refuse_uneven(
            "price", stored.price if price is None and stored else price,
            stored.currency_code if currency is None and stored else currency,
        )  # fmt: skip
        return attrs


def refuse_uneven(name: str, amount: Decimal | None, currency: str | None) -> None:
    """Raises ValidationError for an amount that nobody could pay: with more decimals than its currency has."""
    if amount is not None and currency is not None and not is_payable(amount, currency):
        digits = minor_units(currency)
        raise ValidationError({name: ErrorDetail(f"An amount in {currency} has {digits} decimals.", code="multipleOf")})


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
