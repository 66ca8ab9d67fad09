"""What provisioners send."""

from django.core.validators import URLValidator
from rest_framework import serializers

from config.fields import JSONObject, Text, one_line
from config.serializers import Serializer


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


class UserContactSerializer(Serializer):
    first_name = Text(max_length=100)
    last_name = Text(max_length=100)
    email = Text(max_length=100)
    is_primary = serializers.BooleanField(default=False)


class UsersTenantSerializer(Serializer):
    id = serializers.UUIDField()
    name = Text(max_length=100)
    key = Text(max_length=10)
    identity_provider = Text(max_length=100)
    contacts = serializers.ListField(child=UserContactSerializer(), max_length=1000)


class UsersPlanSerializer(Serializer):
    tier = Text(max_length=20)


class UsersCallSerializer(Serializer):
    tenant = UsersTenantSerializer()
    plan = UsersPlanSerializer()


class AuthIdSerializer(Serializer):
    auth_id = serializers.CharField()
