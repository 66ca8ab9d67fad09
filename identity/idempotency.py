"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same request twice is done once.

The key's row, the change and the stored answer commit together, so a crash leaves all or nothing: a client that repeats
its request with its key gets the answer of the first, or does what the first did not. django-idempotency-key was not
taken because it keeps answers in a store of their own, apart from the change, and a crash between the two loses one.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.core.cache import cache
from django.db import connection, transaction
from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from config.errors import BadRequest, Conflict
from config.throttling import client_address
from identity.models import KEPT, IdempotentRequest

CALL = 30
"""Seconds: a few times what a call out may take."""


class KeyReused(APIException):
    """The key was used for another request."""

    status_code = 422
    default_detail = "This Idempotency-Key was used for another request."
    default_code = "idempotency_key_reused"


class IdempotentMixin:
    """Makes every POST of a view that changes something repeatable by its Idempotency-Key."""

    not_idempotent: frozenset[str] = frozenset()
    """Actions whose answers are secrets, and must not be kept."""

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)  # type: ignore[misc]  # a mixin
        key = request.headers.get("Idempotency-Key")
        if request.method == "POST" and key is not None and self.action_name not in self.not_idempotent:
            self.post = partial(once, key, self.post)  # what DRF's dispatch calls next


def once(key: str, handler: Callable[..., Response], request: Request, *args: Any, **kwargs: Any) -> Response:
    """The answer of `handler`, or of the request that had this key before.

    Raises BadRequest for a malformed key, KeyReused (422) when it came with another request, Conflict (409) while the
    first is still in flight. A request that is refused leaves no trace: its key can be used again.
    """
    if not re.fullmatch(r"[\x21-\x7e]{1,255}", key):
        raise BadRequest("The Idempotency-Key must be 1 to 255 visible ASCII characters.")
    scope = _digest(_caller(request), key)
    fingerprint = _digest(request.method, request.get_full_path(), request._request.body)
    with transaction.atomic():
        if not _hold(scope):
            raise _in_flight()
        IdempotentRequest.objects.filter(scope=scope, created_on__lt=timezone.now() - KEPT).delete()
        row, is_first = IdempotentRequest.objects.get_or_create(scope=scope, defaults={"fingerprint": fingerprint})
        if not is_first:
            return _stored(row, fingerprint)
        response = handler(request, *args, **kwargs)
        if response.status_code >= 400:  # a refusal that leaves something behind: an invoice to be paid first
            row.delete()
        else:
            row.status, row.answer = response.status_code, json.dumps(response.data, cls=JSONEncoder)
            row.save(update_fields=["status", "answer"])
        return response


def is_answered(request: Request) -> bool:
    """Whether a request with this Idempotency-Key was answered, so that this one changes nothing."""
    scope = _scope(request)
    return scope is not None and _is_answered(scope)


def is_repetition(request: Request) -> bool:
    """As `is_answered`, where a request with this key may be in flight: raises Conflict (409) for one that is."""
    scope = _scope(request)
    if scope is None:
        return False
    with transaction.atomic():  # SQLite waits here until the other has ended
        if _is_held(scope):
            raise _in_flight()
        return _is_answered(scope)


@contextmanager
def calling_out(request: Request) -> Iterator[None]:
    """Hold the request's Idempotency-Key, where it has one, for a call that no transaction may be open for.

    Raises Conflict (409) while another request with this key is at its call; after a crash for CALL seconds at most.
    """
    scope = _scope(request)
    if scope is None:
        yield
        return
    mark = f"calling-out:{scope}"
    if not cache.add(mark, True, CALL):
        raise _in_flight()
    try:
        yield
    finally:
        cache.delete(mark)


def _is_answered(scope: str) -> bool:
    return IdempotentRequest.objects.filter(scope=scope, created_on__gte=timezone.now() - KEPT).exists()


def _hold(scope: str) -> bool:
    """Take a lock that ends with the transaction, a crash included; False while another request has it.

    SQLite needs none: it has one writer at a time, and who waited for it finds the answer of the first.
    """
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_lock(scope)])
        return cursor.fetchone()[0]


def _is_held(scope: str) -> bool:
    """Whether another request has the lock. It is not tried: who is about to take it would be refused for that."""
    if connection.vendor != "postgresql":
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE datname = current_database() AND locktype = 'advisory' AND objsubid = 1"
            " AND (classid::bigint << 32 | objid::bigint) = %s)",
            [_lock(scope)],
        )
        return cursor.fetchone()[0]


def _lock(scope: str) -> int:
    """The number of the scope's advisory lock, of 64 bits."""
    return int(scope[:16], 16) - 2**63


def _in_flight() -> Conflict:
    return Conflict("A request with this Idempotency-Key is in flight.", code="request_in_flight")


def _stored(row: IdempotentRequest, fingerprint: str) -> Response:
    if row.fingerprint != fingerprint:
        raise KeyReused
    if row.status is None:  # seen from inside the first request itself
        raise _in_flight()
    return Response(json.loads(row.answer), status=row.status, headers={"Idempotency-Replayed": "true"})


def _scope(request: Request) -> str | None:
    """What the request's Idempotency-Key stands for; None where it has none."""
    key = request.headers.get("Idempotency-Key")
    return None if key is None else _digest(_caller(request), key)


def _caller(request: Request) -> str:
    """Whom a key belongs to: the bearer, or of a public call the client's address."""
    if request.user is not None:
        return f"{request.user.token.get('iss')} {request.user.token['id']}"
    return client_address(request._request)


def _digest(*parts: str | bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()
