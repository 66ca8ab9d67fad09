"""A call whose signature held: stored first, acted on once, answered the same when it is repeated."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.exceptions import APIException

from config.errors import status_of
from provisioning.models import ProvisioningRun
from tenants.lifecycle import locked_in_any_case
from webhooks.handlers import Handler
from webhooks.models import ReceivedCall
from webhooks.signatures import RunOver

KEPT = frozenset(
    {
        "Content-Length", "Content-Type", "Date", "Forwarded", "Host", "Traceparent", "User-Agent", "Via",
        "Webhook-Id", "Webhook-Timestamp", "X-Amzn-Trace-Id", "X-Correlation-Id", "X-Forwarded-For",
        "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "X-Request-Id", "X-Timestamp",
    }
)  # fmt: skip
"""Headers that say who called, when, by which way and in what form. Any other may be a credential of some gateway."""


def stored(*, run: ProvisioningRun, request: HttpRequest, body: dict[str, Any]) -> ReceivedCall:
    """The row of a call, a new one unless this very body has been received before."""
    same = {"run": run, "path": request.path, "body_hash": hashlib.sha256(request.body).hexdigest()}
    headers = {name: value for name, value in request.headers.items() if name in KEPT}
    try:
        with transaction.atomic(durable=True):  # committed before anything acts on it
            return ReceivedCall.objects.create(**same, body=body, headers=headers)
    except IntegrityError:
        return ReceivedCall.objects.get(**same)


@contextmanager
def answering(call: ReceivedCall) -> Iterator[None]:
    """Note with the call how the block refuses it. A defect leaves it unanswered: the sender tries again."""
    try:
        yield
    except APIException as error:
        call.note_answer(status_of(error))
        raise


def act_on(call: ReceivedCall, *, data: dict[str, Any], handler: Handler) -> None:
    """Let `handler` act, once however often and at how many places at once the call arrives.

    Raises RunOver when the run is over or expired: a secret that is worthless is no signature.
    """
    with transaction.atomic():
        tenant = locked_in_any_case(call.run.tenant_id)
        # Read again behind the lock, with its run: this call or another may have ended it meanwhile.
        call = ReceivedCall.objects.select_related("run").defer("headers", "body").get(id=call.id)
        if is_settled(call):
            return
        run = call.run
        if not run.is_live or tenant.deleted:
            raise RunOver
        run.tenant = tenant
        handler(run=run, data=data, actor=settings.SYSTEM_USER_ID)
        call.answer, call.answered_on = 204, timezone.now()
        call.save(update_fields=["answer", "answered_on"])


def is_settled(call: ReceivedCall) -> bool:
    """Whether the call was acted on before."""
    return call.answer is not None and call.answer < 300
