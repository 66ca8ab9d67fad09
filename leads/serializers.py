"""Leads and addresses on the wire."""

from django.conf import settings
from rest_framework import serializers

from config.domains import mail_domain
from config.fields import RelatedId
from config.serializers import AUDIT_FIELDS, ModelSerializer, Relation, Serializer
from leads.mail_domains import is_public
from leads.models import Address, Lead

ADDRESS_FIELDS = ("address", "city", "state", "zip", "country")


class AddressSerializer(ModelSerializer):
    class Meta:
        model = Address
        fields = ("id", *ADDRESS_FIELDS, *AUDIT_FIELDS)


class LeadSerializer(ModelSerializer):
    address_id = RelatedId(source="address", read_only=True, allow_null=True)

    class Meta:
        model = Lead
        fields = (
            "id", "first_name", "last_name", "company_name", "email", "is_validated", "address_id", *AUDIT_FIELDS
        )  # fmt: skip


LeadSerializer.relations["address"] = Relation("address", AddressSerializer, many=False)


class SignUpAddressSerializer(ModelSerializer):
    """The address of a sign-up; without a country it is not kept."""

    class Meta:
        model = Address
        fields = ADDRESS_FIELDS
        extra_kwargs = {"country": {"required": False, "allow_null": True, "allow_blank": True}}


class SignUpSerializer(ModelSerializer):
    address = SignUpAddressSerializer(required=False, allow_null=True)

    class Meta:
        model = Lead
        fields = ("first_name", "last_name", "company_name", "email", "address")

    def validate_email(self, email: str) -> str:
        if settings.WORK_EMAIL_REQUIRED and is_public(mail_domain(email)):
            raise serializers.ValidationError("Sign up with the address of your company.", code="work_email")
        return email


class SignedUpSerializer(Serializer):
    id = serializers.UUIDField()
    key = serializers.CharField(required=False, help_text="Only when LEAD_KEY_IN_RESPONSE is set.")


class VerifiedSerializer(Serializer):
    id = serializers.UUIDField()
    token = serializers.CharField(help_text="The lead's JWT.")
