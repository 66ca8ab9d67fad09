"""JSON Web Tokens (RFC 7519) as CONTRACT section 3 has them: ours, and those minted elsewhere with the same secret."""

import re
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.db import transaction
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken as SimpleAccessToken
from rest_framework_simplejwt.tokens import RefreshToken as SimpleRefreshToken

from identity.models import User
from identity.permissions import codes_of

LAST_MOMENT = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


class AccessToken(SimpleAccessToken):
    """An access token. One that was minted elsewhere may lack `jti` and `token_type`; `exp` it must have."""

    def verify(self):
        if not _is_moment(self.payload.get("exp")):  # that it lies ahead has been checked while decoding
            raise TokenError("The token has no exp claim that is a point in time.")
        if self.payload.get("token_type", "access") != "access":
            raise TokenError("The token has the wrong type.")


class RefreshToken(SimpleRefreshToken):
    """A refresh token: good for one exchange, and for none once it is revoked."""

    access_token_class = AccessToken

    def verify(self, *args, **kwargs):
        jti, subject = self.payload.get("jti"), self.payload.get("id")
        ours = isinstance(jti, str) and re.fullmatch("[\x21-\x7e]{1,255}", jti) and isinstance(subject, str)
        if not ours or self.payload.get("token_type") != "refresh" or not _is_moment(self.payload.get("exp")):
            raise TokenError("This is no refresh token.")
        try:
            uuid.UUID(subject)
        except ValueError as error:
            raise TokenError("This is no refresh token.") from error
        super().verify(*args, **kwargs)

    def spend(self) -> None:
        """Make the token worthless. Raises TokenError when it was worthless already, also in a race."""
        _, spent_now = self.blacklist()
        if not spent_now:
            raise TokenError("The token has been used.")


def _is_moment(claim: object) -> bool:
    """Whether a claim is a NumericDate (RFC 7519, section 2) that a database can hold. PyJWT takes a text, too."""
    return type(claim) in (int, float) and 0 <= claim <= LAST_MOMENT


def mint(
    *, subject: uuid.UUID | str, permissions: Iterable[str], lifetime: timedelta, lead_id: uuid.UUID | None = None
) -> str:
    """A signed access token. `lead_id` confines it to that lead's own objects."""
    token = AccessToken()
    token.set_exp(lifetime=lifetime)
    token["id"] = token["userTenantId"] = str(subject)
    token["permissions"] = list(permissions)
    if lead_id is not None:
        token["leadId"] = str(lead_id)
    return str(token)


def pair_for(user: User) -> dict[str, str]:
    """An access token with the codes that `user` has now, and the refresh token that gets the next one."""
    refresh = RefreshToken.for_user(user)
    access = mint(subject=user.id, permissions=codes_of(user), lifetime=AccessToken.lifetime)
    return {"access": access, "refresh": str(refresh)}


@transaction.atomic
def exchange(raw: str) -> dict[str, str]:
    """A new pair for the refresh token `raw`. Raises TokenError for one that is worthless or whose user has left."""
    refresh = RefreshToken(raw)
    refresh.spend()
    user = User.objects.filter(id=refresh["id"], is_active=True).first()
    if user is None:
        raise TokenError("The token's user is not active.")
    return pair_for(user)
