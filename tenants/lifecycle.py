"""The only place where a tenant's status moves, and the only moves there are (CONTRACT section 6b).

Every function locks the tenant's row, must run inside a transaction (and opens one), and raises Conflict (409), naming
both states, for a move that does not exist.
"""

import uuid
from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone
from rest_framework.exceptions import NotFound

from config.errors import Conflict
from tenants import signals
from tenants.models import Resource, Tenant, TenantStatus

MOVES: dict[TenantStatus, frozenset[TenantStatus]] = {
    TenantStatus.PENDINGPROVISION: frozenset({TenantStatus.PROVISIONING}),
    TenantStatus.PROVISIONFAILED: frozenset({TenantStatus.PROVISIONING, TenantStatus.DEPROVISIONING}),
    TenantStatus.PROVISIONING: frozenset({TenantStatus.ACTIVE, TenantStatus.PROVISIONFAILED}),
    TenantStatus.ACTIVE: frozenset({TenantStatus.INACTIVE, TenantStatus.DEPROVISIONING}),
    TenantStatus.INACTIVE: frozenset({TenantStatus.ACTIVE, TenantStatus.DEPROVISIONING}),
    TenantStatus.DEPROVISIONING: frozenset({TenantStatus.INACTIVE, TenantStatus.ACTIVE, TenantStatus.PROVISIONFAILED}),
}


def locked(tenant_id: uuid.UUID) -> Tenant:
    """The tenant, its row locked until the transaction ends. Raises NotFound."""
    tenant = Tenant.objects.select_for_update(of=("self",), no_key=True).filter(id=tenant_id).first()
    if tenant is None:
        raise NotFound
    return tenant


def must_allow(tenant: Tenant, target: TenantStatus) -> None:
    """Raises Conflict where no move leads to `target`."""
    present = TenantStatus(tenant.status)
    if target not in MOVES[present]:
        raise Conflict(f"A tenant cannot go from {present.label} to {target.label}.", code="illegal_move")


def _move(tenant: Tenant, target: TenantStatus, actor: uuid.UUID | None) -> None:
    must_allow(tenant, target)
    tenant.status, tenant.modified_by = target, actor
    tenant.save(update_fields=["status", "modified_by"])


def _move_from(tenant: Tenant, source: TenantStatus, target: TenantStatus, actor: uuid.UUID | None) -> None:
    """A move that several states would allow, but that means something else from them."""
    if tenant.status != source:
        present = TenantStatus(tenant.status)
        raise Conflict(f"A tenant cannot go from {present.label} to {target.label} this way.", code="illegal_move")
    _move(tenant, target, actor)


@transaction.atomic
def start_provisioning(*, tenant: Tenant, actor: uuid.UUID | None) -> None:
    """PENDINGPROVISION or PROVISIONFAILED → PROVISIONING, of a tenant that `locked` gave."""
    _move(tenant, TenantStatus.PROVISIONING, actor)


@transaction.atomic
def finish_provisioning(
    *, tenant: Tenant, resources: Sequence[dict], app_plane_url: str, actor: uuid.UUID | None
) -> None:
    """PROVISIONING → ACTIVE. What a resource's identifier has already is brought up to date, not doubled."""
    _move(tenant, TenantStatus.ACTIVE, actor)
    known = {resource.external_identifier: resource for resource in tenant.resources(manager="objects").all()}
    stored = []
    for values in resources:
        identifier = values["external_identifier"]
        resource = (known.get(identifier) if identifier else None) or Resource(tenant=tenant, created_by=actor)
        resource.type, resource.metadata = values["type"], values["metadata"]
        resource.external_identifier, resource.modified_by = identifier, actor
        resource.save()
        known[identifier] = resource
        stored.append(resource)
    signals.tenant_provisioned.send(Tenant, tenant=tenant, resources=stored, app_plane_url=app_plane_url, actor=actor)


@transaction.atomic
def fail_provisioning(*, tenant: Tenant, reason: str, actor: uuid.UUID | None) -> None:
    """PROVISIONING → PROVISIONFAILED."""
    _move_from(tenant, TenantStatus.PROVISIONING, TenantStatus.PROVISIONFAILED, actor)
    signals.tenant_provisioning_failed.send(Tenant, tenant=tenant, reason=reason, actor=actor)


@transaction.atomic
def suspend(*, tenant_id: uuid.UUID, actor: uuid.UUID | None) -> None:
    """ACTIVE → INACTIVE."""
    tenant = locked(tenant_id)
    _move_from(tenant, TenantStatus.ACTIVE, TenantStatus.INACTIVE, actor)
    signals.tenant_suspended.send(Tenant, tenant=tenant, actor=actor)


@transaction.atomic
def resume(*, tenant_id: uuid.UUID, actor: uuid.UUID | None) -> None:
    """INACTIVE → ACTIVE."""
    tenant = locked(tenant_id)
    _move_from(tenant, TenantStatus.INACTIVE, TenantStatus.ACTIVE, actor)
    signals.tenant_resumed.send(Tenant, tenant=tenant, actor=actor)


@transaction.atomic
def start_deprovisioning(*, tenant: Tenant, actor: uuid.UUID | None) -> TenantStatus:
    """ACTIVE, INACTIVE or PROVISIONFAILED → DEPROVISIONING, of a tenant that `locked` gave; the state it leaves."""
    former = TenantStatus(tenant.status)
    _move(tenant, TenantStatus.DEPROVISIONING, actor)
    return former


@transaction.atomic
def finish_deprovisioning(*, tenant: Tenant, actor: uuid.UUID | None) -> None:
    """DEPROVISIONING → INACTIVE and deleted: the key is free again."""
    tenant.deleted, tenant.deleted_on, tenant.deleted_by = True, timezone.now(), actor
    _move_from(tenant, TenantStatus.DEPROVISIONING, TenantStatus.INACTIVE, actor)
    tenant.save(update_fields=["deleted", "deleted_on", "deleted_by"])
    signals.tenant_deprovisioned.send(Tenant, tenant=tenant, actor=actor)


@transaction.atomic
def fail_deprovisioning(*, tenant: Tenant, former: TenantStatus, reason: str, actor: uuid.UUID | None) -> None:
    """DEPROVISIONING → the state before it."""
    _move_from(tenant, TenantStatus.DEPROVISIONING, former, actor)
    signals.tenant_deprovisioning_failed.send(Tenant, tenant=tenant, reason=reason, actor=actor)
