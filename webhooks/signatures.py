"""Whether a call comes from who was given a run's secret (CONTRACT section 6). All trouble is one answer: 401.

Two schemes are known: the reference's (`x-signature`, `x-timestamp`) and that of Standard Webhooks
(https://www.standardwebhooks.com), whose library takes the run's secret as it is. After a rotation the former secret
holds for a while beside the new one.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed
from standardwebhooks import Webhook

from config.parsing import load_json
from config.signing import is_fresh, matches, users_signature, webhook_signature
from provisioning.models import ProvisioningRun
from webhooks.models import RefusedCall

NOBODY = ProvisioningRun(secret="0" * 64)
UNSIGNED, STALE = "unsigned", "stale"
"""What the timeline says of a call without a signature, timestamp or id, and of one whose timestamp is not of now. The
caller is told the same as of a wrong signature."""
RECENT_RUNS = 2
"""How far back a sender may repeat itself: the tenant's present run, and the one before it."""

Expected = Callable[[ProvisioningRun, str], str]
"""The signature that a call should have, by the run and one of its secrets."""


class BadSignature(AuthenticationFailed):
    default_detail = "The signature is missing, wrong or too old."
    default_code = "bad_signature"


class RunOver(BadSignature):
    default_detail = "The provisioning run is over."
    default_code = "run_over"


def run_behind_webhook(request: HttpRequest) -> tuple[ProvisioningRun, dict]:
    """The run whose secret signed a call of /webhook, and the body. Raises BadSignature, ParseError."""
    body = _object(request)
    tenant_id = _id(body.get("initiatorId"))
    given, timestamp = _headers(request, tenant_id)

    def expected(run: ProvisioningRun, secret: str) -> str:
        return webhook_signature(secret=secret, body=request.body, context=str(run.context), timestamp=timestamp)

    return _signer(request, tenant_id, given, expected), body


def run_behind_users_call(request: HttpRequest) -> tuple[ProvisioningRun, dict]:
    """The run whose secret signed a call of /manage/users, and the body. Raises BadSignature, ParseError."""
    body = _object(request)
    tenant = body.get("tenant")
    tenant_id = _id(tenant.get("id")) if isinstance(tenant, dict) else None
    given, timestamp = _headers(request, tenant_id)

    def expected(run: ProvisioningRun, secret: str) -> str:
        return users_signature(secret=secret, body=request.body, timestamp=timestamp)

    return _signer(request, tenant_id, given, expected), body


def must_be_live(run: ProvisioningRun) -> None:
    """Raises RunOver when the run is over or expired: a secret that is worthless is no signature."""
    if not run.is_live:
        RefusedCall.record(run.tenant_id, RunOver.default_code)
        raise RunOver


def _headers(request: HttpRequest, tenant_id: uuid.UUID | None) -> tuple[list[str], str]:
    """The signatures given, and the timestamp, of a call that is fresh."""
    if _is_standard(request):
        given = request.headers["webhook-signature"].split()
        timestamp = request.headers.get("webhook-timestamp", "")
        is_whole, milliseconds = bool(request.headers.get("webhook-id")), f"{timestamp}000"
    else:
        given = [request.headers.get("x-signature", "")]
        timestamp = request.headers.get("x-timestamp", "")
        is_whole, milliseconds = True, timestamp
    if not (is_whole and timestamp and any(given)):
        raise _refusal(tenant_id, UNSIGNED)
    if not is_fresh(milliseconds, now=timezone.now(), tolerance=settings.WEBHOOK_TIMESTAMP_TOLERANCE):
        raise _refusal(tenant_id, STALE)
    return given, timestamp


def _refusal(tenant_id: uuid.UUID | None, reason: str) -> BadSignature:
    RefusedCall.record(tenant_id, reason)
    return BadSignature()


def _is_standard(request: HttpRequest) -> bool:
    return "x-signature" not in request.headers and "webhook-signature" in request.headers


def _standard_signature(request: HttpRequest, secret: str) -> str:
    moment = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
    return Webhook(secret).sign(request.headers["webhook-id"], moment, request.body.decode())


def _object(request: HttpRequest) -> dict:
    try:
        body = load_json(request.body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadSignature from error
    if not isinstance(body, dict):
        raise BadSignature
    return body


def _signer(request: HttpRequest, tenant_id: uuid.UUID | None, given: list[str], expected: Expected) -> ProvisioningRun:
    """The one of the tenant's recent runs whose secret signed the call."""
    runs = ProvisioningRun.objects.filter(tenant=tenant_id).order_by("-created_on")[:RECENT_RUNS]
    for run in runs or [NOBODY]:  # for an unknown tenant as much is computed, so that it takes as long
        for secret in _secrets_of(run):
            wanted = _standard_signature(request, secret) if _is_standard(request) else expected(run, secret)
            if any(matches(wanted, each) for each in given) and run is not NOBODY:
                return run
    raise _refusal(tenant_id, BadSignature.default_code)


def _secrets_of(run: ProvisioningRun) -> list[str]:
    """What a call may be signed with; nothing for a run that is over and whose encryption key was removed since."""
    try:
        return run.valid_secrets
    except InvalidToken:
        if run.state == ProvisioningRun.State.OPEN:
            raise
        return []


def _id(value: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
