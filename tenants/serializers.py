"""Tenants and what belongs to them on the wire."""

from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied

from config.domains import ascii_domain
from config.fields import JSONObject, RelatedId, Text
from config.serializers import AUDIT_FIELDS, ModelSerializer, Relation
from leads.serializers import AddressSerializer, LeadSerializer, SignUpAddressSerializer
from tenants.models import (
    MAX_DOMAINS,
    Branding,
    Contact,
    Resource,
    Tenant,
    TenantConfig,
    service_keys,
    validate_domains,
)


class Domains(serializers.ListField):
    """Host names, kept as `config.domains` has them."""

    def __init__(self, **kwargs):
        super().__init__(
            **{"child": Text(max_length=253), "max_length": MAX_DOMAINS, "validators": [validate_domains], **kwargs}
        )

    def to_internal_value(self, data):
        return [ascii_domain(item) for item in super().to_internal_value(data)]


class TenantSerializer(ModelSerializer):
    domains = Domains(required=False)
    lead_id = RelatedId(source="lead", read_only=True, allow_null=True)
    address_id = RelatedId(source="address", read_only=True, allow_null=True)

    class Meta:
        model = Tenant
        fields = (
            "id", "name", "status", "key", "spoc_user_id", "domains", "lead_id", "address_id", *AUDIT_FIELDS
        )  # fmt: skip
        read_only_fields = ("status",)


class ContactSerializer(ModelSerializer):
    type = Text(source="contact_type", max_length=100, required=False, allow_null=True)
    tenant_id = RelatedId(source="tenant", queryset=Tenant.objects.all())

    class Meta:
        model = Contact
        fields = ("id", "first_name", "last_name", "email", "type", "is_primary", "tenant_id", *AUDIT_FIELDS)


class ResourceSerializer(ModelSerializer):
    tenant_id = RelatedId(source="tenant", read_only=True)

    class Meta:
        model = Resource
        fields = ("id", "type", "metadata", "external_identifier", "tenant_id", *AUDIT_FIELDS)


class TenantConfigSerializer(ModelSerializer):
    config_value = JSONObject()
    tenant_id = RelatedId(source="tenant", queryset=Tenant.objects.all())

    class Meta:
        model = TenantConfig
        fields = ("id", "config_key", "config_value", "tenant_id", *AUDIT_FIELDS)

    def to_internal_value(self, data):
        values = super().to_internal_value(data)
        request = self.context.get("request")
        if request is not None and request.user.lead_id is not None and values.get("config_key") in service_keys():
            raise PermissionDenied(f"The configuration {values['config_key']} is the service's own.")
        return values


class BrandingSerializer(ModelSerializer):
    tenant_id = RelatedId(source="tenant", read_only=True)

    class Meta:
        model = Branding
        fields = ("id", "theme_metadata", "description", "logo", "website", "tenant_id", *AUDIT_FIELDS)


TenantSerializer.relations |= {
    "contacts": Relation("contacts", ContactSerializer, many=True),
    "resources": Relation("resources", ResourceSerializer, many=True),
    "lead": Relation("lead", LeadSerializer, many=False),
    "address": Relation("address", AddressSerializer, many=False),
}
LeadSerializer.relations["tenant"] = Relation("tenants", TenantSerializer, many=False)
for _part in (ContactSerializer, ResourceSerializer, TenantConfigSerializer):
    _part.relations["tenant"] = Relation("tenant", TenantSerializer, many=False)


class _WithAddress(ModelSerializer):
    """The fields of a new tenant's address stand beside its own."""

    def get_fields(self):
        return super().get_fields() | SignUpAddressSerializer().get_fields()


class OnboardLeadSerializer(_WithAddress):
    domains = Domains()

    class Meta:
        model = Tenant
        fields = ("key", "name", "domains")
        extra_kwargs = {"name": {"required": False, "allow_null": True}}


class FirstContactSerializer(ContactSerializer):
    tenant_id = None

    class Meta:
        model = Contact
        fields = ("first_name", "last_name", "email", "is_primary", "type")
        extra_kwargs = {"is_primary": {"default": True}}


class OnboardSerializer(_WithAddress):
    contact = FirstContactSerializer()
    domains = Domains()

    class Meta:
        model = Tenant
        fields = ("contact", "name", "key", "domains")
