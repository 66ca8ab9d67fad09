"""What a callback of each type does: type → function. WEBHOOK_HANDLERS adds types, or replaces them.

A handler is called as `handler(run=…, data=…, actor=…)` inside a transaction, with the run's and the tenant's rows
locked and the run open. `data` is the validated report. It must end the run with `run.close`, and may call nothing
outside.
"""

import uuid
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from provisioning.models import ProvisioningRun
from tenants import lifecycle
from tenants.models import TenantStatus
from webhooks.signatures import BadSignature

Handler = Callable[..., None]


def resources_provisioned(*, run: ProvisioningRun, data: dict[str, Any], actor: uuid.UUID | None) -> None:
    """Type 0: the tenant becomes ACTIVE with its resources, or PROVISIONFAILED."""
    _must_be(run, ProvisioningRun.Kind.PROVISION)
    if data["status"] == 1:
        run.close(ProvisioningRun.State.SUCCEEDED)
        lifecycle.finish_provisioning(
            tenant=run.tenant, resources=data["resources"], app_plane_url=data["app_plane_url"] or "", actor=actor
        )
    else:
        run.close(ProvisioningRun.State.FAILED, "The provisioner reported a failure.")
        lifecycle.fail_provisioning(tenant=run.tenant, reason=run.reason, actor=actor)


def resources_deprovisioned(*, run: ProvisioningRun, data: dict[str, Any], actor: uuid.UUID | None) -> None:
    """Type 1: the tenant becomes INACTIVE and deleted, or goes back to what it was."""
    _must_be(run, ProvisioningRun.Kind.DEPROVISION)
    if data["status"] == 1:
        run.close(ProvisioningRun.State.SUCCEEDED)
        lifecycle.finish_deprovisioning(tenant=run.tenant, actor=actor)
    else:
        run.close(ProvisioningRun.State.FAILED, "The provisioner reported a failure.")
        lifecycle.fail_deprovisioning(
            tenant=run.tenant, former=TenantStatus(run.former_status), reason=run.reason, actor=actor
        )


def _must_be(run: ProvisioningRun, kind: ProvisioningRun.Kind) -> None:
    if run.kind != kind:
        raise BadSignature("The secret was given for something else.")


HANDLERS: Mapping[int, Handler] = {0: resources_provisioned, 1: resources_deprovisioned}


@lru_cache(maxsize=1)
def active() -> Mapping[int, Handler]:
    """The handlers in use. Raises ImproperlyConfigured for one in WEBHOOK_HANDLERS that cannot be had."""
    own = {}
    for type, dotted_path in settings.WEBHOOK_HANDLERS.items():
        if not type.isdecimal():
            raise ImproperlyConfigured(f"WEBHOOK_HANDLERS: the type {type} is no whole number.")
        try:
            own[int(type)] = import_string(dotted_path)
        except ImportError as error:
            raise ImproperlyConfigured(f"WEBHOOK_HANDLERS: {dotted_path} cannot be imported: {error}") from error
    return {**HANDLERS, **own}
