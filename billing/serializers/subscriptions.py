"""Subscriptions and billing customers on the wire."""

import datetime

from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from billing.models import BillingCustomer, Plan, Subscription
from billing.serializers.plans import PlanSerializer, refuse_uneven
from config.fields import RelatedId
from config.serializers import AUDIT_FIELDS, ModelSerializer, Relation, Serializer
from tenants.models import Tenant
from tenants.serializers import TenantSerializer

YEAR = datetime.timedelta(days=366)


class SubscriptionSerializer(ModelSerializer):
    tenant_id = RelatedId(source="tenant", queryset=Tenant.objects.all())
    plan_id = RelatedId(source="plan", queryset=Plan.objects.filter(is_active=True))
    next_plan_id = RelatedId(source="next_plan", read_only=True, allow_null=True)

    class Meta:
        model = Subscription
        fields = (
            "id", "tenant_id", "plan_id", "reference", "price", "currency_code", "billing_cycle", "tax_rate", "status",
            "start_date", "end_date", "period_start", "period_end", "next_invoice_on", "credit", "next_plan_id",
            "cancel_at_period_end", *AUDIT_FIELDS,
        )  # fmt: skip
        read_only_fields = (
            "currency_code", "billing_cycle", "status", "period_start", "period_end", "next_invoice_on", "credit",
            "cancel_at_period_end",
        )  # fmt: skip
        extra_kwargs = {"price": {"required": False}, "tax_rate": {"required": False}}

    def validate(self, attrs):
        refuse_uneven("price", attrs.get("price"), attrs["plan"].currency_code)
        start, end = attrs.get("start_date") or timezone.now(), attrs.get("end_date")
        if abs(start - timezone.now()) > YEAR:
            raise ValidationError({"startDate": ErrorDetail("It begins within a year from now.", code="maximum")})
        refuse_past_end(start, end)
        return attrs


def refuse_past_end(start: datetime.datetime, end: datetime.datetime | None) -> None:
    if end is not None and end <= start:
        raise ValidationError({"endDate": ErrorDetail("It ends before it starts.", code="minimum")})


class AmendSubscriptionSerializer(ModelSerializer):
    """What a PATCH may change."""

    class Meta:
        model = Subscription
        fields = ("price", "tax_rate", "end_date", "cancel_at_period_end")

    def validate(self, attrs):
        stored = self.instance
        refuse_uneven("price", attrs.get("price"), stored.currency_code)
        refuse_past_end(max(filter(None, (stored.start_date, timezone.now()))), attrs.get("end_date"))
        if "end_date" in attrs and "cancel_at_period_end" in attrs:
            raise ValidationError({"endDate": ErrorDetail("A cancellation sets the end by itself.", code="not")})
        return attrs


class ChangePlanSerializer(Serializer):
    plan_id = RelatedId(source="plan", queryset=Plan.objects.filter(is_active=True))
    at = serializers.ChoiceField(choices=["periodEnd", "now"], default="periodEnd")


class BillingCustomerSerializer(ModelSerializer):
    tenant_id = RelatedId(source="tenant", queryset=Tenant.objects.all())

    class Meta:
        model = BillingCustomer
        fields = ("id", "name", "address", "country", "tax_id", "tenant_id", *AUDIT_FIELDS)


SubscriptionSerializer.relations |= {
    "plan": Relation("plan", PlanSerializer, many=False),
    "tenant": Relation("tenant", TenantSerializer, many=False),
}
BillingCustomerSerializer.relations["tenant"] = Relation("tenant", TenantSerializer, many=False)
