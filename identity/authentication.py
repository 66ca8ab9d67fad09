"""Who is calling: the principal that a bearer token describes. No query is made for it."""

import time
import uuid
from functools import cached_property, lru_cache

from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.models import TokenUser

from identity.permissions import LEAD_CODES


def bearer_token(request) -> str | None:
    """The token of the Authorization header (RFC 6750); the scheme's letter case does not matter (RFC 9110, 11.1)."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


class Principal(TokenUser):
    """The bearer of an access token."""

    @cached_property
    def actor_id(self) -> uuid.UUID | None:
        """What the audit columns store: the claim `id`, or None where that is no UUID."""
        return _uuid_or_none(self.token.get("id"))

    @cached_property
    def permissions(self) -> frozenset[str]:
        return frozenset(str(code) for code in self.token.get("permissions", ()))

    @cached_property
    def lead_id(self) -> uuid.UUID | None:
        """The lead that the token is confined to; None for staff and services.

        A lead's token that was minted elsewhere has no `leadId`. It is known by carrying exactly what a lead's token
        carries, and one id in both of its claims, as the reference's do.
        """
        if "leadId" in self.token:
            return _uuid_or_none(self.token["leadId"])
        if self.token.get("id") == self.token.get("userTenantId") and self.permissions == frozenset(LEAD_CODES):
            return self.actor_id
        return None


def _uuid_or_none(value: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


class JWTAuthentication(JWTStatelessUserAuthentication):
    def authenticate(self, request):
        token = bearer_token(request)
        if token is None:
            return None
        principal = verified(token)
        if principal.token["exp"] <= time.time():
            raise InvalidToken("Token is expired")
        return principal, principal.token

    def authenticate_header(self, request) -> str:
        return 'Bearer realm="api"'


@lru_cache(maxsize=1024)
def verified(raw: str) -> Principal:
    """The bearer of a token whose signature and claims hold; a service sends the same one with every request.

    It may have expired since it was first seen. Raises InvalidToken, also for claims of the wrong type: an unreadable
    `leadId` must not become staff.
    """
    try:
        token = JWTStatelessUserAuthentication().get_validated_token(raw.encode("utf-8", "surrogateescape"))
    except RecursionError as error:  # a header of nothing but brackets; PyJWT parses it before the signature
        raise InvalidToken("The token is malformed.") from error
    permissions = token.get("permissions", [])
    if not isinstance(permissions, list) or not all(isinstance(code, str | int) for code in permissions):
        raise InvalidToken("The token's permissions are malformed.")
    if "leadId" in token and _uuid_or_none(token["leadId"]) is None:
        raise InvalidToken("The token's leadId is malformed.")
    if not isinstance(token.get("id"), str | int):
        raise InvalidToken("The token has no id.")
    return Principal(token)
