"""The signatures of CONTRACT section 6, as pure functions over raw bytes.

Two forms: the webhook's, which binds the run's context, and that of /manage/users, which does not.
"""

import hashlib
import hmac
from datetime import datetime, timedelta


def webhook_signature(*, secret: str, body: bytes, context: str, timestamp: str) -> str:
    """hex(hmac_sha256(secret, body + context + timestamp))"""
    return _signature(secret, body, context, timestamp)


def users_signature(*, secret: str, body: bytes, timestamp: str) -> str:
    """hex(hmac_sha256(secret, body + timestamp))"""
    return _signature(secret, body, timestamp)


def _signature(secret: str, body: bytes, *suffixes: str) -> str:
    return hmac.new(secret.encode(), body + "".join(suffixes).encode(), hashlib.sha256).hexdigest()


def matches(expected: str, given: str) -> bool:
    """Whether two hex signatures are equal, in constant time; hostile text in `given` is only unequal."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))


def is_fresh(timestamp: str, *, now: datetime, tolerance: timedelta) -> bool:
    """Whether `timestamp`, milliseconds since the epoch, lies within `tolerance` of `now`, on either side."""
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15):
        return False
    return abs(int(timestamp) / 1000 - now.timestamp()) <= tolerance.total_seconds()
