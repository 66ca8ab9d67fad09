"""What provisioners send."""

from collections.abc import Mapping
from functools import cache

from django.core.validators import URLValidator
from rest_framework import serializers

from config.fields import JSONObject, Text, one_line
from config.serializers import ModelSerializer, Serializer
from tenants.serializers import ContactSerializer, TenantSerializer


class ResourceReportSerializer(Serializer):
    type = Text(max_length=100, validators=[one_line])
    metadata = JSONObject(required=False, default=dict)
    external_identifier = Text(
        max_length=200,
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="What the resource is known by; metadata.bucket where it is missing.",
    )

    def validate(self, attrs):
        bucket = attrs["metadata"].get("bucket")
        identifier = attrs.get("external_identifier") or (bucket if isinstance(bucket, str) else None)
        if identifier and len(identifier) > 200:
            raise serializers.ValidationError({"metadata": "The bucket's name is longer than 200 characters."})
        return {**attrs, "external_identifier": identifier or None}


class ReportSerializer(Serializer):
    status = serializers.ChoiceField(choices=[(0, "failure"), (1, "success")])
    resources = serializers.ListField(child=ResourceReportSerializer(), required=False, default=list, max_length=1000)
    app_plane_url = Text(
        max_length=500,
        required=False,
        allow_blank=True,
        allow_null=True,
        default="",
        validators=[URLValidator(schemes=["http", "https"])],
    )


class CallbackSerializer(Serializer):
    initiator_id = serializers.UUIDField(help_text="The tenant's id.")
    type = serializers.IntegerField(help_text="0 RESOURCES_PROVISIONED, 1 RESOURCES_DEPROVISIONED.")
    data = ReportSerializer()


class CopySerializer(Serializer):
    """What a provisioner has of an event, or of the API: the other fields of `whole` may be there and are ignored."""

    whole: type[ModelSerializer]

    def to_internal_value(self, data):
        if isinstance(data, Mapping):
            ignored = _names(self.whole) - set(self.fields)
            data = {name: value for name, value in data.items() if name not in ignored}
        return super().to_internal_value(data)


@cache
def _names(whole: type[ModelSerializer]) -> frozenset[str]:
    """What a model has on the wire, and what `include` adds."""
    return frozenset({*whole().fields, *whole.relations})


class UserContactSerializer(CopySerializer):
    whole = ContactSerializer
    first_name = Text(max_length=100)
    last_name = Text(max_length=100)
    email = Text(max_length=100)
    is_primary = serializers.BooleanField(default=False)


class UsersTenantSerializer(CopySerializer):
    whole = TenantSerializer
    id = serializers.UUIDField()
    name = Text(max_length=100)
    key = Text(max_length=10)
    identity_provider = Text(max_length=100)
    contacts = serializers.ListField(child=UserContactSerializer(), max_length=1000)


class UsersPlanSerializer(Serializer):
    """A plan, which is any object with a tier."""

    tier = Text(max_length=20)

    def to_internal_value(self, data):
        if isinstance(data, Mapping):
            data = {name: value for name, value in data.items() if name in self.fields}
        return super().to_internal_value(data)


class UsersCallSerializer(Serializer):
    tenant = UsersTenantSerializer()
    plan = UsersPlanSerializer()


class AuthIdSerializer(Serializer):
    auth_id = serializers.CharField()
