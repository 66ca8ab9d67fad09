"""The log of callbacks whose signature held."""

import uuid

from django.core.cache import cache
from django.db import models
from django.utils import timezone

from provisioning.models import ProvisioningRun
from tenants.models import Tenant


class ReceivedCall(models.Model):
    """A callback, stored before it is acted on. The same body again is the sender's retry: it changes nothing."""

    run = models.ForeignKey(ProvisioningRun, models.CASCADE, related_name="received_calls")
    body_hash = models.CharField(max_length=64)
    body = models.JSONField()
    received_on = models.DateTimeField(default=timezone.now)
    answered_on = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "received_calls"
        constraints = [models.UniqueConstraint(fields=["run", "body_hash"], name="received_call_unique")]
        indexes = [models.Index(fields=["received_on"], name="received_calls_by_age")]

    def __str__(self):
        return f"callback of {self.received_on:%Y-%m-%d %H:%M:%S}"


class RefusedCall(models.Model):
    """That calls in a tenant's name were refused: at most one row per tenant, minute and reason."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="refused_calls")
    reason = models.CharField(max_length=50)
    minute = models.DateTimeField()

    class Meta:
        db_table = "refused_calls"
        constraints = [models.UniqueConstraint(fields=["tenant", "minute", "reason"], name="one_refusal_a_minute")]

    def __str__(self):
        return f"{self.reason} at {self.minute:%Y-%m-%d %H:%M}"

    @staticmethod
    def record(tenant_id: uuid.UUID, reason: str) -> None:
        """Write the row of this minute unless it is there; a flood costs a look into the cache each."""
        minute = timezone.now().replace(second=0, microsecond=0)
        if cache.add(f"refused:{tenant_id}:{reason}:{minute:%H%M}", 1, timeout=120):
            RefusedCall.objects.bulk_create(
                [RefusedCall(tenant_id=tenant_id, reason=reason, minute=minute)], ignore_conflicts=True
            )
