"""What follows in billing from a tenant's life; in the transaction of the signal."""

from django.dispatch import receiver

from billing import dunning, subscriptions
from billing.models import SubscriptionStatus
from billing.models.subscriptions import LIVE
from tenants import signals


@receiver(signals.tenant_provisioned)
def tenant_provisioned(tenant, actor, **_):
    """The waiting subscription begins, and with it the first invoice: never before."""
    waiting = subscriptions.live_of(tenant, SubscriptionStatus.PENDING)
    if waiting is not None:
        subscriptions.activate(waiting, actor=actor)


@receiver(signals.tenant_resumed)
def tenant_resumed(tenant, **_):
    dunning.forget_suspension(tenant.id)


@receiver(signals.tenant_deprovisioning_failed)
def tenant_deprovisioning_failed(tenant, actor, **_):
    """What it was suspended for may have been paid meanwhile."""
    dunning.resume_if_settled(tenant.id, actor=actor)
    tenant.refresh_from_db(fields=["status"])  # for who is told next


@receiver(signals.tenant_deprovisioned)
def tenant_deprovisioned(tenant, actor, **_):
    """Nothing is left to be paid for."""
    live = subscriptions.live_of(tenant, *LIVE)
    if live is not None:
        subscriptions.end(live, SubscriptionStatus.CANCELLED, actor=actor)
