"""The log of what came in: calls whose signature held, and that others were refused."""

import logging
import uuid
from datetime import datetime
from functools import lru_cache

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.pruning import delete_in_batches
from provisioning.models import ProvisioningRun
from tenants.models import Tenant

logger = logging.getLogger("tenantry.webhooks")


class ReceivedCall(models.Model):
    """A call whose signature held, stored before it is acted on. The same body again is the sender's retry.

    `headers` are those that are known to be no credential; `answer` is the HTTP status, None while there is none.
    """

    run = models.ForeignKey(
        ProvisioningRun, models.CASCADE, verbose_name=_("provisioning run"), related_name="received_calls"
    )
    path = models.CharField(_("path"), max_length=50)
    body_hash = models.CharField(_("hash"), max_length=64)
    headers = models.JSONField(_("headers"), default=dict)
    body = models.JSONField(_("body"))
    received_on = models.DateTimeField(_("received on"), default=timezone.now)
    answer = models.PositiveSmallIntegerField(_("answer"), null=True, blank=True)
    answered_on = models.DateTimeField(_("answered on"), null=True, blank=True)

    class Meta:
        db_table = "received_calls"
        verbose_name, verbose_name_plural = _("received call"), _("received calls")
        constraints = [models.UniqueConstraint(fields=["run", "path", "body_hash"], name="received_call_unique")]
        indexes = [models.Index(fields=["received_on"], name="received_calls_by_age")]

    def __str__(self):
        return f"{self.path}, {self.received_on:%Y-%m-%d %H:%M:%S}"

    @property
    def reported(self) -> str | None:
        """What a callback says came of the run; None where it says nothing of the kind."""
        data = self.body.get("data")
        status = data.get("status") if isinstance(data, dict) else None
        return {"0": "failure", "1": "success"}.get(str(status))

    def note_answer(self, status: int) -> None:
        """Keep what was answered; a success once answered stands, whatever a repetition gets."""
        unsettled = ReceivedCall.objects.filter(id=self.id).exclude(answer__lt=300)
        if unsettled.update(answer=status, answered_on=timezone.now()):
            self.answer = status


class RefusedCall(models.Model):
    """That calls in a tenant's name were refused: at most one row per tenant, minute and reason.

    `refused_on` is the moment of the first of them.
    """

    tenant = models.ForeignKey(Tenant, models.CASCADE, verbose_name=_("tenant"), related_name="refused_calls")
    reason = models.CharField(_("reason"), max_length=50)
    minute = models.DateTimeField(_("minute"))
    refused_on = models.DateTimeField(_("refused on"), default=timezone.now)

    class Meta:
        db_table = "refused_calls"
        verbose_name, verbose_name_plural = _("refused call"), _("refused calls")
        constraints = [models.UniqueConstraint(fields=["tenant", "minute", "reason"], name="one_refusal_a_minute")]
        indexes = [models.Index(fields=["refused_on"], name="refused_calls_by_age")]

    def __str__(self):
        return f"{self.reason}, {self.refused_on:%Y-%m-%d %H:%M:%S}"

    @staticmethod
    def record(tenant_id: uuid.UUID | None, reason: str) -> None:
        """Write the row of this minute unless it is there or the tenant is not, and a line of the log in any case.

        A flood costs each process a line and two statements a minute.
        """
        _record_once(tenant_id, reason, timezone.now().replace(second=0, microsecond=0))


@lru_cache(maxsize=4096)
def _record_once(tenant_id: uuid.UUID | None, reason: str, minute: datetime) -> None:
    logger.warning("a call in the name of tenant %s was refused: %s", tenant_id, reason)
    if Tenant.everything.filter(id=tenant_id).exists():
        row = RefusedCall(tenant_id=tenant_id, reason=reason, minute=minute)
        RefusedCall.objects.bulk_create([row], ignore_conflicts=True)


def prune() -> int:
    """Forget calls of ended runs, and refusals, that are older than WEBHOOK_LOG_EXPIRY; how many."""
    horizon = timezone.now() - settings.WEBHOOK_LOG_EXPIRY
    calls = ReceivedCall.objects.filter(received_on__lt=horizon).exclude(run__state=ProvisioningRun.State.OPEN)
    return delete_in_batches(calls) + delete_in_batches(RefusedCall.objects.filter(refused_on__lt=horizon))
