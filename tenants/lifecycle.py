"""The only place where a tenant's status moves, and the only moves there are (CONTRACT section 6b).

What is given a tenant's id locks its row, in a transaction; what is given a tenant wants it from `locked`, and needs
the transaction that locked it. All raise Conflict (409), naming both states, for a move that does not exist.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
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


def locked_in_any_case(tenant_id: uuid.UUID) -> Tenant:
    """The same, of one that may be deleted and is known to be there."""
    return Tenant.everything.select_for_update(of=("self",), no_key=True).get(id=tenant_id)


def must_allow(tenant: Tenant, target: TenantStatus) -> None:
    """Raises Conflict where no move leads to `target`."""
    present = TenantStatus(tenant.status)
    if target not in MOVES[present]:
        states = {"present": present.label, "target": target.label}
        raise Conflict(_("A tenant cannot go from %(present)s to %(target)s.") % states, code="illegal_move")


def _move(tenant: Tenant, target: TenantStatus, actor: uuid.UUID | None, **besides: Any) -> None:
    must_allow(tenant, target)
    changes = {"status": target, "modified_by": actor, **besides}
    for name, value in changes.items():
        setattr(tenant, name, value)
    tenant.save(update_fields=changes)


def _move_from(
    tenant: Tenant, source: TenantStatus, target: TenantStatus, actor: uuid.UUID | None, **besides: Any
) -> None:
    """A move that several states would allow, but that means something else from them."""
    if tenant.status != source:
        present = TenantStatus(tenant.status)
        states = {"present": present.label, "target": target.label}
        raise Conflict(_("A tenant cannot go from %(present)s to %(target)s this way.") % states, code="illegal_move")
    _move(tenant, target, actor, **besides)


def start_provisioning(*, tenant: Tenant, actor: uuid.UUID | None) -> None:
    """PENDINGPROVISION or PROVISIONFAILED → PROVISIONING."""
    _move(tenant, TenantStatus.PROVISIONING, actor)


def finish_provisioning(
    *, tenant: Tenant, resources: Sequence[dict], app_plane_url: str, actor: uuid.UUID | None
) -> None:
    """PROVISIONING → ACTIVE. What a resource's identifier has already is brought up to date, not doubled."""
    _move(tenant, TenantStatus.ACTIVE, actor)
    stored = _store(tenant, resources, actor)
    signals.tenant_provisioned.send(Tenant, tenant=tenant, resources=stored, app_plane_url=app_plane_url, actor=actor)


def _store(tenant: Tenant, resources: Sequence[dict], actor: uuid.UUID | None) -> list[Resource]:
    """The rows of what was built, the new ones written by one statement. An identifier may come twice."""
    identifiers = [values["external_identifier"] for values in resources if values["external_identifier"]]
    rows = tenant.resources(manager="objects").filter(external_identifier__in=identifiers)
    known = {resource.external_identifier: resource for resource in rows}
    stored: dict[Resource, None] = {}
    for values in resources:
        identifier = values["external_identifier"]
        resource = (known.get(identifier) if identifier else None) or Resource(tenant=tenant, created_by=actor)
        resource.type, resource.metadata = values["type"], values["metadata"]
        resource.external_identifier, resource.modified_by = identifier, actor
        known[identifier] = resource
        stored[resource] = None
    for resource in stored:
        if not resource._state.adding:
            resource.save()
    Resource.objects.bulk_create(resource for resource in stored if resource._state.adding)
    return list(stored)


def fail_provisioning(*, tenant: Tenant, reason: str, actor: uuid.UUID | None) -> None:
    """PROVISIONING → PROVISIONFAILED. Of a deleted tenant nobody is told."""
    _move_from(tenant, TenantStatus.PROVISIONING, TenantStatus.PROVISIONFAILED, actor)
    if not tenant.deleted:
        signals.tenant_provisioning_failed.send(Tenant, tenant=tenant, reason=reason, actor=actor)


@transaction.atomic
def suspend(*, tenant_id: uuid.UUID, actor: uuid.UUID | None, reason: str | None = None) -> None:
    """ACTIVE → INACTIVE; for a reason where nobody asked for it."""
    tenant = locked(tenant_id)
    _move_from(tenant, TenantStatus.ACTIVE, TenantStatus.INACTIVE, actor)
    signals.tenant_suspended.send(Tenant, tenant=tenant, reason=reason, actor=actor)


@transaction.atomic
def resume(*, tenant_id: uuid.UUID, actor: uuid.UUID | None) -> None:
    """INACTIVE → ACTIVE."""
    tenant = locked(tenant_id)
    _move_from(tenant, TenantStatus.INACTIVE, TenantStatus.ACTIVE, actor)
    signals.tenant_resumed.send(Tenant, tenant=tenant, actor=actor)


def start_deprovisioning(*, tenant: Tenant, actor: uuid.UUID | None) -> TenantStatus:
    """ACTIVE, INACTIVE or PROVISIONFAILED → DEPROVISIONING; the state it leaves."""
    former = TenantStatus(tenant.status)
    _move(tenant, TenantStatus.DEPROVISIONING, actor)
    return former


def finish_deprovisioning(*, tenant: Tenant, actor: uuid.UUID | None) -> None:
    """DEPROVISIONING → INACTIVE and deleted: the key is free again."""
    deleted = {"deleted": True, "deleted_on": timezone.now(), "deleted_by": actor}
    _move_from(tenant, TenantStatus.DEPROVISIONING, TenantStatus.INACTIVE, actor, **deleted)
    signals.tenant_deprovisioned.send(Tenant, tenant=tenant, actor=actor)


def fail_deprovisioning(*, tenant: Tenant, former: TenantStatus, reason: str, actor: uuid.UUID | None) -> None:
    """DEPROVISIONING → the state before it. Of a deleted tenant nobody is told."""
    _move_from(tenant, TenantStatus.DEPROVISIONING, former, actor)
    if not tenant.deleted:
        signals.tenant_deprovisioning_failed.send(Tenant, tenant=tenant, reason=reason, actor=actor)
