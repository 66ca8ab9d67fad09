"""Whether a call comes from who was given a run's secret (CONTRACT section 6). All trouble is one answer: 401."""

import uuid

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed

from config.parsing import load_json
from config.signing import is_fresh, matches, users_signature, webhook_signature
from provisioning.models import ProvisioningRun

NOBODY = ProvisioningRun(secret="0" * 64)
RECENT_RUNS = 2
"""How far back a sender may repeat itself: the tenant's present run, and the one before it."""


class BadSignature(AuthenticationFailed):
    default_detail = "The signature is missing, wrong or too old."
    default_code = "bad_signature"


class RunOver(BadSignature):
    default_detail = "The provisioning run is over."
    default_code = "run_over"


def _headers(request: HttpRequest) -> tuple[str, str]:
    """Signature and timestamp of a call that is fresh. Costs no query."""
    signature, timestamp = request.headers.get("x-signature", ""), request.headers.get("x-timestamp", "")
    if not signature or not is_fresh(timestamp, now=timezone.now(), tolerance=settings.WEBHOOK_TIMESTAMP_TOLERANCE):
        raise BadSignature
    return signature, timestamp


def _candidates(tenant_id: object) -> list[ProvisioningRun]:
    """The tenant's recent runs; of an unknown tenant one that nobody holds the secret of, so that it takes as long."""
    try:
        wanted = uuid.UUID(tenant_id) if isinstance(tenant_id, str) else None
    except ValueError:
        wanted = None
    runs = ProvisioningRun.objects.filter(tenant_id=wanted).order_by("-created_on")[:RECENT_RUNS] if wanted else []
    return list(runs) or [NOBODY]


def run_behind_webhook(request: HttpRequest) -> tuple[ProvisioningRun, dict]:
    """The run whose secret signed a call of /webhook, and the body. Raises BadSignature, ParseError."""
    signature, timestamp = _headers(request)
    body = _object(request)
    runs = [
        run
        for run in _candidates(body.get("initiatorId"))
        if matches(
            webhook_signature(secret=run.secret, body=request.body, context=str(run.context), timestamp=timestamp),
            signature,
        )
    ]
    return _the_one(runs), body


def run_behind_users_call(request: HttpRequest) -> tuple[ProvisioningRun, dict]:
    """The run whose secret signed a call of /manage/users, and the body. Raises BadSignature, ParseError."""
    signature, timestamp = _headers(request)
    body = _object(request)
    tenant = body.get("tenant")
    runs = [
        run
        for run in _candidates(tenant.get("id") if isinstance(tenant, dict) else None)
        if matches(users_signature(secret=run.secret, body=request.body, timestamp=timestamp), signature)
    ]
    return _the_one(runs), body


def _object(request: HttpRequest) -> dict:
    try:
        body = load_json(request.body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadSignature from error
    if not isinstance(body, dict):
        raise BadSignature
    return body


def _the_one(runs: list[ProvisioningRun]) -> ProvisioningRun:
    if not runs or runs[0] is NOBODY:
        raise BadSignature
    return runs[0]
