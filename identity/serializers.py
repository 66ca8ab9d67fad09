"""Bodies of the token endpoints."""

from rest_framework import serializers

from config.fields import Text
from config.serializers import Serializer


class CredentialsSerializer(Serializer):
    username = Text(max_length=150)
    password = Text(max_length=4096, trim_whitespace=False, write_only=True)
    otp = Text(
        max_length=20, required=False, help_text="Of the authenticator app, or for recovery, where there is one."
    )


class RefreshSerializer(Serializer):
    refresh = Text(max_length=8192)


class TokenPairSerializer(Serializer):
    access = serializers.CharField()
    refresh = serializers.CharField()
