"""The log of callbacks whose signature held."""

from django.db import models
from django.utils import timezone

from provisioning.models import ProvisioningRun


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
