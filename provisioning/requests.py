"""Start, and end, a provisioning run: status, secret and event in one transaction."""

import secrets
import uuid
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from billing import subscriptions
from billing.models import Invoice, Plan
from config.errors import Conflict
from provisioning import events
from provisioning.messages import run_payload, subscription_of, tenant_payload
from provisioning.models import ProvisioningRun
from tenants import lifecycle
from tenants.models import Tenant, TenantStatus

SILO_TIERS = frozenset({"PREMIUM"})


@transaction.atomic
def request_provisioning(*, tenant_id: uuid.UUID, subscription: dict[str, Any], actor: uuid.UUID | None) -> None:
    """Ask for a tenant's resources: its status becomes PROVISIONING and an event with a fresh secret leaves.

    `subscription` is what the event carries, with an upper-case `plan.tier`. Raises NotFound and Conflict as
    `tenants.lifecycle` does.
    """
    _provision(lifecycle.locked(tenant_id), subscription, actor)


def _provision(tenant: Tenant, subscription: dict[str, Any], actor: uuid.UUID | None) -> None:
    """As `request_provisioning`, of a locked tenant."""
    former = TenantStatus(tenant.status)
    lifecycle.start_provisioning(tenant=tenant, actor=actor)
    tier = subscription["plan"]["tier"]
    run = ProvisioningRun(
        kind=ProvisioningRun.Kind.PROVISION,
        tier=tier,
        isolation=ProvisioningRun.Isolation.SILO if tier in SILO_TIERS else ProvisioningRun.Isolation.POOLED,
        subscription=subscription,
        former_status=former,
    )
    _begin(run, tenant, actor)
    _publish(run, tenant, actor, events.TENANT_PROVISIONING)


@transaction.atomic
def provision_on_plan(*, tenant_id: uuid.UUID, plan: Plan, reference: str, actor: uuid.UUID | None) -> Invoice | None:
    """Subscribe a tenant to `plan` and ask for its resources; `reference` is what the caller calls the subscription.

    With BILLING_PAYMENT_FIRST, the invoice that has to be paid before: nothing but that is done then. Raises NotFound
    and Conflict as `request_provisioning` does, and Conflict where the tenant has another plan already.
    """
    tenant = lifecycle.locked(tenant_id)
    lifecycle.must_allow(tenant, TenantStatus.PROVISIONING)
    subscription = subscriptions.choose(tenant=tenant, plan=plan, reference=reference, actor=actor)
    unpaid = subscriptions.first_invoice_to_pay(subscription, actor=actor) if settings.BILLING_PAYMENT_FIRST else None
    if unpaid is None:
        _provision(tenant, subscription_of(subscription), actor)
    return unpaid


@transaction.atomic
def request_deprovisioning(*, tenant_id: uuid.UUID, actor: uuid.UUID | None) -> None:
    """Ask for a tenant's resources to be taken down, with the tier and subscription they were built with.

    The event leaves after DEPROVISION_GRACE; until then `offboarding.restore` can call it off.
    """
    tenant = lifecycle.locked(tenant_id)
    former = lifecycle.start_deprovisioning(tenant=tenant, actor=actor)
    built = tenant.runs.filter(kind=ProvisioningRun.Kind.PROVISION).order_by("-created_on").first()
    run = ProvisioningRun(
        kind=ProvisioningRun.Kind.DEPROVISION,
        tier=built.tier if built else "",
        isolation=built.isolation if built else ProvisioningRun.Isolation.POOLED,
        subscription=built.subscription if built else {},
        former_status=former,
        begins_at=timezone.now() + settings.DEPROVISION_GRACE,
    )
    _begin(run, tenant, actor)
    if not settings.DEPROVISION_GRACE:
        publish_deprovisioning(run=run, tenant=tenant)


def publish_deprovisioning(*, run: ProvisioningRun, tenant: Tenant) -> None:
    """Write the event of a deprovisioning whose grace period is over. Needs a transaction."""
    _publish(run, tenant, run.created_by, events.TENANT_DEPROVISIONING)


def _begin(run: ProvisioningRun, tenant: Tenant, actor: uuid.UUID | None) -> None:
    run.tenant, run.created_by = tenant, actor
    run.secret = secrets.token_hex(32)
    run.expires_at = run.begins_at + settings.WEBHOOK_SECRET_EXPIRY
    run.save(force_insert=True)


def _publish(run: ProvisioningRun, tenant: Tenant, actor: uuid.UUID | None, type: str) -> None:
    payload = {**tenant_payload(tenant), **run_payload(run)}
    events.record(type, subject=tenant.id, payload=payload, run=run, actor=actor)


@transaction.atomic
def rotate_secret(*, tenant_id: uuid.UUID, actor: uuid.UUID | None) -> None:
    """Give the tenant's open run a fresh secret; the former one holds for WEBHOOK_SECRET_OVERLAP more.

    The provisioner learns it by the event TENANT_SECRET_ROTATED. Raises NotFound, and Conflict without an open run,
    where no connector takes that event, or while the run's own is not written (no provisioner has a secret then) or the
    overlap of the last rotation lasts.
    """
    tenant = lifecycle.locked(tenant_id)
    run = tenant.runs.filter(state=ProvisioningRun.State.OPEN).first()
    if run is None or not run.events.exists():
        raise Conflict(_("No provisioner is at work on the tenant: there is no secret to rotate."), code="no_open_run")
    if not events.buses_of(events.TENANT_SECRET_ROTATED):
        raise Conflict(_("No connector would tell the provisioner of a fresh secret."), code="nobody_told")
    if len(run.valid_secrets) > 1:
        raise Conflict(_("The secret was rotated just now, and the former one still holds."), code="just_rotated")
    run.former_secret, run.secret = run.secret, secrets.token_hex(32)
    run.former_secret_expires_at = timezone.now() + settings.WEBHOOK_SECRET_OVERLAP
    run.save(update_fields=["secret", "former_secret", "former_secret_expires_at"])
    _publish(run, tenant, actor, events.TENANT_SECRET_ROTATED)


@transaction.atomic
def fail_run(*, run_id: uuid.UUID, reason: str) -> bool:
    """End an open run as failed, so that the tenant can be provisioned again; False when it is not open any more.

    A deleted tenant's status moves as well, so that it is not stuck should it be restored.
    """
    tenant_id = ProvisioningRun.objects.values_list("tenant_id", flat=True).get(id=run_id)
    tenant = lifecycle.locked_in_any_case(tenant_id)
    run = ProvisioningRun.objects.open().filter(id=run_id).first()
    if run is None:
        return False
    run.close(ProvisioningRun.State.FAILED, reason)
    actor = settings.SYSTEM_USER_ID
    if run.kind == ProvisioningRun.Kind.PROVISION:
        lifecycle.fail_provisioning(tenant=tenant, reason=reason, actor=actor)
    else:
        former = TenantStatus(run.former_status)
        lifecycle.fail_deprovisioning(tenant=tenant, former=former, reason=reason, actor=actor)
    return True


def fail_undelivered_runs() -> Iterator[uuid.UUID]:
    """Fail every run whose event is dead, for what it died of; the ids of their tenants, each as it is done.

    Not for the relay: until the secret has expired, the event may be replayed.
    """
    for run in ProvisioningRun.objects.undelivered().order_by("expires_at").iterator():
        if fail_run(run_id=run.id, reason=f"The event could not be delivered: {run.error}"):
            yield run.tenant_id


def fail_overdue_runs() -> Iterator[uuid.UUID]:
    """Fail every run that is overdue; the ids of their tenants, each as it is done.

    A delivery renews the secret (`provisioning.delivery`), so a run is overdue when its event arrived and nobody
    answered, or when its event is dead; a bus that is away fails nobody while attempts are left.
    """
    for run in ProvisioningRun.objects.overdue().order_by("expires_at").iterator():
        if fail_run(run_id=run.id, reason="No callback arrived before the secret expired."):
            yield run.tenant_id
