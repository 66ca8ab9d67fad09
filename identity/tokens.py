"""JSON Web Tokens (RFC 7519) as CONTRACT section 3 has them: ours, and those minted elsewhere with the same secret."""

import re
import time
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken as SimpleAccessToken
from rest_framework_simplejwt.tokens import RefreshToken as SimpleRefreshToken

from config.pruning import delete_in_batches
from identity.models import User
from identity.permissions import codes_of
from identity.two_factor import is_needed_by

LAST_MOMENT = datetime(9999, 1, 1, tzinfo=UTC).timestamp()


class AccessToken(SimpleAccessToken):
    """An access token. One that was minted elsewhere may lack `jti` and `token_type`; `exp` it must have."""

    def verify(self):
        if not _lies_ahead(self.payload.get("exp")):
            raise TokenError("The token has no exp claim that is a point in time, or is expired.")
        if self.payload.get("token_type", "access") != "access":
            raise TokenError("The token has the wrong type.")


class RefreshToken(SimpleRefreshToken):
    """A refresh token: good for one exchange, and for none once it is revoked."""

    access_token_class = AccessToken

    def verify(self, *args, **kwargs):
        jti, subject = self.payload.get("jti"), self.payload.get("id")
        ours = isinstance(jti, str) and re.fullmatch("[\x21-\x7e]{1,255}", jti) and isinstance(subject, str)
        if not ours or self.payload.get("token_type") != "refresh" or not _lies_ahead(self.payload.get("exp")):
            raise TokenError("This is no refresh token, or it is expired.")
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


def _lies_ahead(claim: object) -> bool:
    """Whether a claim is a NumericDate (RFC 7519, section 2) to come, and one that a database can hold.

    PyJWT takes a text, too, and what has been over for less than LEEWAY.
    """
    return type(claim) in (int, float) and time.time() < claim <= LAST_MOMENT


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


def pair_for(user: User, *, second_factor: bool) -> dict[str, str]:
    """An access token with the codes that `user` has now, and the refresh token that gets the next one.

    The refresh token says what it was given for: the password of now, and whether a `second_factor` was passed.
    """
    refresh = RefreshToken.for_user(user)
    refresh["password"], refresh["secondFactor"] = _digest(user), second_factor
    access = mint(subject=user.id, permissions=codes_of(user), lifetime=AccessToken.lifetime)
    return {"access": access, "refresh": str(refresh)}


@transaction.atomic
def exchange(raw: str) -> dict[str, str]:
    """A new pair for the refresh token `raw`.

    Raises TokenError for one that is worthless, whose user has left or has another password since, or that was given
    without the second factor that is asked for now.
    """
    refresh = RefreshToken(raw)
    refresh.spend()
    user = User.objects.filter(id=refresh["id"], is_active=True).first()
    if user is None:
        raise TokenError("The token's user is not active.")
    if not constant_time_compare(refresh.get("password", ""), _digest(user)):
        raise TokenError("The password was changed: log in again.")
    second_factor = refresh.get("secondFactor") is True
    if not second_factor and is_needed_by(user):
        raise TokenError("A second factor is needed: log in again.")
    return pair_for(user, second_factor=second_factor)


def prune() -> None:
    """Forget refresh tokens that are expired; a clock may be LEEWAY behind ours.

    The table is simplejwt's and has no index for it: 100,000 tokens that are not expired are read in some 40 ms.
    """
    delete_in_batches(OutstandingToken.objects.filter(expires_at__lt=timezone.now() - api_settings.LEEWAY))


def _digest(user: User) -> str:
    """What changes with the password, and tells nothing of it."""
    return sha256(user.get_session_auth_hash().encode()).hexdigest()
