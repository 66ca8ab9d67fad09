"""Our own way into a provider, kept for a while, and the passwords that first users get and replace."""

import secrets
import string
import time
from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings


class CachedToken:
    """An access token, kept in the process until shortly before it ends. Never logged: its repr says nothing."""

    FRESH = 5.0
    """Seconds for which a token that is refused is no question of age."""

    def __init__(self, fetch: Callable[[], Mapping[str, Any]]):
        self._fetch, self._value, self._until, self._since = fetch, None, 0.0, 0.0

    def get(self) -> Any:
        """The token's answer (RFC 6749, section 5.1). Two threads may both fetch one; nobody waits for another."""
        value = self._value
        if value is None or time.monotonic() >= self._until:
            value = dict(self._fetch())
            self._since = time.monotonic()
            # Nine tenths of its life, so that one that is handed out lasts for the calls to come.
            self._until, self._value = self._since + 0.9 * float(value.get("expires_in", 60)), value
        return value

    def forget(self) -> bool:
        """Drop the token; whether it was old enough for a fresh one to help."""
        value, self._value = self._value, None
        return value is not None and time.monotonic() - self._since > self.FRESH


def temporary_password() -> str:
    """PASSWORD_LENGTH characters of all four kinds, to be changed at the first log-in."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, "!#$%*+-=?@_")
    characters = [secrets.choice(kind) for kind in kinds]
    characters += [secrets.choice("".join(kinds)) for _ in range(settings.PASSWORD_LENGTH - len(characters))]
    secrets.SystemRandom().shuffle(characters)
    return "".join(characters)
