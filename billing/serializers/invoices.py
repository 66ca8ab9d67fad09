"""Invoices, payments and credit notes on the wire."""

from collections.abc import Mapping
from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from billing import texts
from billing.models import CreditNote, Invoice, Payment
from billing.money import MOST, ZERO
from billing.serializers.plans import refuse_uneven
from billing.serializers.subscriptions import SubscriptionSerializer
from billing.totals import Line, totals
from config.fields import Number, RelatedId, Text
from config.serializers import AUDIT_FIELDS, ModelSerializer, Relation, Serializer
from tenants.models import Tenant
from tenants.serializers import TenantSerializer

MAX_LINES = 500


def _percent(**kwargs) -> Number:
    validators = [MinValueValidator(0), MaxValueValidator(100)]
    return Number(max_digits=6, decimal_places=3, validators=validators, **kwargs)


class LineSerializer(Serializer):
    description = Text(max_length=500)
    quantity = Number(max_digits=12, decimal_places=4, min_value=Decimal(0), required=False, default=Decimal(1))
    unit_price = Number(max_digits=16, decimal_places=6, help_text="Net.")
    discount_percent = _percent(required=False, default=ZERO)
    tax_rate = _percent(required=False, default=ZERO, help_text="In percent.")
    amount = Number(max_digits=14, decimal_places=3, required=False, help_text="Net; worked out if it is not given.")


class TaxSerializer(Serializer):
    rate = Number(max_digits=6, decimal_places=3, help_text="In percent.")
    net = Number(max_digits=14, decimal_places=3)
    tax = Number(max_digits=14, decimal_places=3)


class PartySerializer(Serializer):
    name = serializers.CharField(required=False)
    address = serializers.CharField(required=False)
    country = serializers.CharField(required=False)
    taxId = serializers.CharField(required=False)  # noqa: N815  (kept as it is on the wire)
    terms = serializers.CharField(required=False, help_text="Of payment; a seller's.")
    language = serializers.CharField(required=False, help_text="Of the document; a buyer's.")

    def to_representation(self, instance):
        return instance


DOCUMENT = ("number", "issued_on", "lines", "subtotal", "taxes", "tax_total", "seller", "buyer")


class InvoiceSerializer(ModelSerializer):
    """The reference's fields, whose `amount` is the total, and ours. `amount` without `lines` makes one line."""

    tenant_id = RelatedId(source="tenant", queryset=Tenant.objects.all())
    subscription_id = RelatedId(source="subscription", read_only=True, allow_null=True)
    lines = LineSerializer(many=True, required=False, max_length=MAX_LINES, min_length=1)
    taxes = TaxSerializer(many=True, read_only=True)
    seller = PartySerializer(read_only=True)
    buyer = PartySerializer(read_only=True)
    open_amount = Number(max_digits=14, decimal_places=3, read_only=True)
    is_overdue = serializers.BooleanField(read_only=True)

    class Meta:
        model = Invoice
        fields = (
            "id", "start_date", "end_date", "amount", "currency_code", "invoice_file", "due_date", "status",
            "tenant_id", *DOCUMENT, "subscription_id", "paid_amount", "credited_amount", "open_amount", "is_overdue",
            *AUDIT_FIELDS,
        )  # fmt: skip
        read_only_fields = (
            "invoice_file", "number", "issued_on", "subtotal", "tax_total", "paid_amount", "credited_amount",
        )  # fmt: skip
        extra_kwargs = {"amount": {"required": False}}

    def to_internal_value(self, data):
        """A new invoice may say, as the reference's do, that it has no file: `invoiceFile` is null."""
        if self.instance is None and isinstance(data, Mapping) and data.get("invoiceFile", "") is None:
            data = {name: value for name, value in data.items() if name != "invoiceFile"}
        return super().to_internal_value(data)

    def validate(self, attrs):
        """Puts `lines` in the shape of `billing.totals`, None where they stay as they are."""
        start = attrs.get("start_date", getattr(self.instance, "start_date", None))
        end = attrs.get("end_date", getattr(self.instance, "end_date", None))
        if start and end and end < start:
            raise ValidationError({"endDate": ErrorDetail("The period ends before it starts.", code="minimum")})
        given, amount = attrs.pop("lines", None), attrs.pop("amount", None)
        currency = attrs.get("currency_code", getattr(self.instance, "currency_code", None))
        in_bulk = self.partial and self.instance is None
        if in_bulk and (given is not None or amount is not None or "currency_code" in attrs):
            raise ValidationError({"amount": ErrorDetail("Change this one invoice at a time.", code="not")})
        attrs["lines"] = self._lines(given, amount, currency, attrs.get("tenant"))
        return attrs

    def _lines(self, given, amount: Decimal | None, currency: str | None, tenant: Tenant | None) -> list[Line] | None:
        if given is not None:
            assert currency is not None
            return _checked(given, amount, currency)
        if amount is None:
            if self.instance is None and not self.partial:
                raise ValidationError({"amount": ErrorDetail("This field is required.", code="required")})
            return None
        refuse_uneven("amount", amount, currency)
        if self.instance is not None and amount == self.instance.amount:
            return None
        return [Line(texts.services(tenant or self.instance.tenant), amount)]

    def _reset(self):
        """A PUT without `status` does not move an invoice."""
        return {name: value for name, value in super()._reset().items() if name not in ("status", "amount")}


def _checked(given: list[dict], amount: Decimal | None, currency: str) -> list[Line]:
    """The lines of a request. Raises ValidationError where they contradict the amounts beside them."""
    lines = [Line(**{name: value for name, value in each.items() if name != "amount"}) for each in given]
    for index, (line, each) in enumerate(zip(lines, given, strict=True)):
        net = line.net(currency)
        if abs(net) > MOST:
            raise ValidationError({"lines": {str(index): {"unitPrice": ErrorDetail("Too much.", code="maximum")}}})
        if each.get("amount", net) != net:
            detail = ErrorDetail(f"The line comes to {net}.", code="const")
            raise ValidationError({"lines": {str(index): {"amount": detail}}})
    found = totals(lines, currency)
    total = found.total
    if max(abs(found.subtotal), abs(found.tax_total)) > MOST:
        raise ValidationError({"lines": ErrorDetail("Too much.", code="maximum")})
    if not ZERO <= total <= MOST:
        raise ValidationError({"lines": ErrorDetail(f"The total would be {total}.", code="minimum")})
    if amount is not None and amount != total:
        raise ValidationError({"amount": ErrorDetail(f"The lines come to {total}.", code="const")})
    return lines


class PaymentSerializer(ModelSerializer):
    invoice_id = RelatedId(source="invoice", read_only=True)

    class Meta:
        model = Payment
        fields = ("id", "invoice_id", "amount", "date", "method", "reference", "gateway", *AUDIT_FIELDS)


class NewPaymentSerializer(ModelSerializer):
    class Meta:
        model = Payment
        fields = ("amount", "date", "method", "reference")

    def validate_amount(self, value):
        if not value:
            raise ValidationError("A payment is not zero.", code="not")
        return value

    def validate(self, attrs):
        refuse_uneven("amount", attrs["amount"], self.context["invoice"].currency_code)
        return attrs


class CreditNoteSerializer(ModelSerializer):
    invoice_id = RelatedId(source="invoice", read_only=True)
    lines = LineSerializer(many=True, read_only=True)
    taxes = TaxSerializer(many=True, read_only=True)
    seller = PartySerializer(read_only=True)
    buyer = PartySerializer(read_only=True)

    class Meta:
        model = CreditNote
        fields = ("id", "invoice_id", "amount", "currency_code", "reason", "invoice_file", *DOCUMENT, *AUDIT_FIELDS)


class NewCreditNoteSerializer(Serializer):
    amount = Number(
        max_digits=14, decimal_places=3, required=False, allow_null=True, help_text="With tax; without it, all of it."
    )
    reason = Text(max_length=500, required=False, allow_blank=True, default="")

    def validate_amount(self, value):
        if value is not None and value <= 0:
            raise ValidationError("A credit is more than zero.", code="min_value")
        return value

    def validate_reason(self, value):
        CreditNote._meta.get_field("reason").run_validators(value)
        return value

    def validate(self, attrs):
        refuse_uneven("amount", attrs.get("amount"), self.context["invoice"].currency_code)
        return attrs


InvoiceSerializer.relations |= {
    "tenant": Relation("tenant", TenantSerializer, many=False),
    "subscription": Relation("subscription", SubscriptionSerializer, many=False),
    "payments": Relation("payments", PaymentSerializer, many=True),
    "creditNotes": Relation("credit_notes", CreditNoteSerializer, many=True),
}
PaymentSerializer.relations["invoice"] = Relation("invoice", InvoiceSerializer, many=False)
CreditNoteSerializer.relations["invoice"] = Relation("invoice", InvoiceSerializer, many=False)
SubscriptionSerializer.relations["invoices"] = Relation("invoices", InvoiceSerializer, many=True)
