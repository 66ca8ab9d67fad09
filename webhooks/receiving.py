"""A callback whose signature held: stored first, acted on once, answered the same when it is repeated."""

import hashlib
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from provisioning.models import ProvisioningRun
from tenants.models import Tenant
from webhooks.handlers import Handler
from webhooks.models import ReceivedCall
from webhooks.signatures import RunOver


def is_repeated(run: ProvisioningRun, raw: bytes) -> bool:
    """Whether this very body was received and acted on before."""
    return run.received_calls.filter(body_hash=_hash(raw), answered_on__isnull=False).exists()


def receive(*, run: ProvisioningRun, raw: bytes, body: dict[str, Any], data: dict[str, Any], handler: Handler) -> None:
    """Store the call, then act on it, once however often and at how many places at once it arrives.

    Raises RunOver when the run is over or expired: a secret that is worthless is no signature.
    """
    call, _ = ReceivedCall.objects.get_or_create(run=run, body_hash=_hash(raw), defaults={"body": body})
    with transaction.atomic():
        tenant = Tenant.everything.select_for_update(of=("self",), no_key=True).get(id=run.tenant_id)
        call.refresh_from_db()
        if call.answered_on is not None:
            return
        run.refresh_from_db()
        if not run.is_live or tenant.deleted:
            raise RunOver
        run.tenant = tenant
        handler(run=run, data=data, actor=settings.SYSTEM_USER_ID)
        call.answered_on = timezone.now()
        call.save(update_fields=["answered_on"])


def _hash(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
