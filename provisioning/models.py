"""What is asked of provisioners, and the outbox through which everything leaves the system."""

import json
import uuid

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.utils.encoders import JSONEncoder

from config.encryption import EncryptedTextField
from tenants.models import Tenant, TenantStatus


class RunQuerySet(models.QuerySet):
    def open(self):
        return self.filter(state=ProvisioningRun.State.OPEN)

    def overdue(self):
        """Open runs that no callback can finish any more: the secret has expired, and no delivery would renew it."""
        begun = Event.objects.filter(run=models.OuterRef("pk"))
        waiting = Delivery.objects.filter(event__run=models.OuterRef("pk"), state=Delivery.State.PENDING)
        return self.open().filter(models.Exists(begun), ~models.Exists(waiting), expires_at__lt=timezone.now())

    def undelivered(self):
        """Open runs whose event is dead: none of its deliveries waits or has arrived. `error` is what one died of."""
        mine = Delivery.objects.filter(event__run=models.OuterRef("pk"))
        hopeful = mine.filter(state__in=(Delivery.State.PENDING, Delivery.State.DELIVERED))
        dead = mine.filter(state=Delivery.State.DEAD).order_by("-id")
        runs = self.open().filter(~models.Exists(hopeful))
        return runs.annotate(error=models.Subquery(dead.values("last_error")[:1])).filter(error__isnull=False)

    def to_begin(self):
        """Deprovisionings whose grace period is over and whose event is not written yet."""
        begun = Event.objects.filter(run=models.OuterRef("pk"))
        kind = ProvisioningRun.Kind.DEPROVISION
        return self.open().filter(~models.Exists(begun), kind=kind, begins_at__lte=timezone.now())


class NamedChoices(models.IntegerChoices):
    """Choices with a label for staff, and a `word` for programs: the timeline, metrics and commands."""

    @property
    def word(self) -> str:
        return self.name.lower()


class ProvisioningRun(models.Model):
    """One attempt to build a tenant's resources, or to take them down, and the secret that its callback is signed with.

    The secret is durable, so that a flushed cache strands nobody; it is encrypted, and never shown.
    """

    class Kind(NamedChoices):
        PROVISION = 0, _("provisioning")
        DEPROVISION = 1, _("deprovisioning")

    class State(NamedChoices):
        OPEN = 0, _("open")
        SUCCEEDED = 1, _("succeeded")
        FAILED = 2, _("failed")

    class Isolation(models.TextChoices):
        SILO = "silo", _("silo")
        POOLED = "pooled", _("pooled")

    id = models.UUIDField(_("ID"), primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, verbose_name=_("tenant"), related_name="runs")
    kind = models.PositiveSmallIntegerField(_("kind"), choices=Kind)
    state = models.PositiveSmallIntegerField(_("state"), choices=State, default=State.OPEN)
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    tier = models.CharField(_("tier"), max_length=20)
    isolation = models.CharField(_("isolation"), max_length=10, choices=Isolation)
    subscription = models.JSONField(_("subscription"), encoder=JSONEncoder)
    former_status = models.PositiveSmallIntegerField(_("former status"), choices=TenantStatus)
    secret = EncryptedTextField(_("secret"), editable=False)
    former_secret = EncryptedTextField(_("former secret"), null=True, editable=False)
    former_secret_expires_at = models.DateTimeField(_("former secret valid until"), null=True, editable=False)
    context = models.UUIDField(_("context"), default=uuid.uuid4, editable=False)
    begins_at = models.DateTimeField(_("begins on"), default=timezone.now)  # after the grace period of a deprovisioning
    expires_at = models.DateTimeField(_("valid until"))
    created_on = models.DateTimeField(_("created on"), default=timezone.now, editable=False)
    created_by = models.UUIDField(_("created by"), null=True, blank=True, editable=False)
    finished_on = models.DateTimeField(_("finished on"), null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        db_table = "provisioning_runs"
        verbose_name, verbose_name_plural = _("provisioning run"), _("provisioning runs")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"],
                name="one_open_run_per_tenant",
                condition=models.Q(state=0),
                violation_error_message=_("This tenant is being provisioned or deprovisioned already."),
                violation_error_code="run_open",
            )
        ]
        indexes = [
            models.Index(fields=["-created_on"], name="runs_by_age"),
            models.Index(fields=["state", "-created_on"], name="runs_by_state"),
            models.Index(fields=["tenant", "-created_on"], name="runs_of_tenant"),
            # With the tier, which is looked up for each tenant that has no subscription.
            models.Index(
                fields=["tenant", "-created_on", "tier"], name="provisionings_of_tenant", condition=models.Q(kind=0)
            ),
            models.Index(fields=["expires_at"], name="open_runs_by_expiry", condition=models.Q(state=0)),
            models.Index(fields=["begins_at"], name="open_runs_by_begin", condition=models.Q(state=0)),
            models.Index(fields=["finished_on"], name="succeeded_runs_by_finish", condition=models.Q(state=1)),
        ]

    def __str__(self):
        return f"{self.get_kind_display()}, {self.tenant.name}"

    @property
    def is_live(self) -> bool:
        """Whether its secret still opens anything."""
        return self.state == self.State.OPEN and self.expires_at >= timezone.now()

    @property
    def valid_secrets(self) -> list[str]:
        """What a callback may be signed with: the secret, and for a while after a rotation the one before."""
        if self.former_secret is not None and self.former_secret_expires_at >= timezone.now():
            return [self.secret, self.former_secret]
        return [self.secret]

    def close(self, state: State, reason: str = "") -> None:
        self.state, self.reason, self.finished_on = state, reason[:500], timezone.now()
        self.save(update_fields=["state", "reason", "finished_on"])


class Event(models.Model):
    """Something that has happened, written in the transaction in which it did. Holds no secret.

    `event_id` is unique for ever; `subject` is the tenant or lead that it is about, whose events keep their order.
    """

    id = models.BigAutoField(_("ID"), primary_key=True)
    event_id = models.UUIDField(_("event ID"), default=uuid.uuid4, editable=False)
    type = models.CharField(_("type"), max_length=50)
    subject = models.UUIDField(_("subject"))
    occurred_on = models.DateTimeField(_("occurred on"), default=timezone.now, editable=False)
    actor = models.UUIDField(_("actor"), null=True, blank=True, editable=False)
    payload = models.JSONField(_("payload"), default=dict, encoder=JSONEncoder)
    run = models.ForeignKey(
        ProvisioningRun,
        models.PROTECT,
        verbose_name=_("provisioning run"),
        null=True,
        blank=True,
        related_name="events",
    )

    class Meta:
        db_table = "events"
        verbose_name, verbose_name_plural = _("event"), _("events")
        constraints = [models.UniqueConstraint(fields=["event_id"], name="event_id_unique")]
        indexes = [models.Index(fields=["subject", "id"], name="events_of_subject")]

    def __str__(self):
        return f"{self.type} {self.event_id}"


class Delivery(models.Model):
    """An event on its way to one destination: "bus:<connector>" or "mail:<template>".

    A claim writes a `lease` and moves `next_attempt_on` behind its end: who dies holding it delays the delivery, and
    does not lose it.
    """

    class State(NamedChoices):
        PENDING = 0, _("pending")
        DELIVERED = 1, _("delivered")
        DEAD = 2, _("dead")
        CANCELLED = 3, _("cancelled")

    id = models.BigAutoField(_("ID"), primary_key=True)
    event = models.ForeignKey(Event, models.CASCADE, verbose_name=_("event"), related_name="deliveries")
    subject = models.UUIDField(_("subject"))
    destination = models.CharField(_("destination"), max_length=200)
    state = models.PositiveSmallIntegerField(_("state"), choices=State, default=State.PENDING)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_attempt_on = models.DateTimeField(_("next attempt on"), default=timezone.now)
    lease = models.UUIDField(_("lease"), null=True, blank=True, editable=False)
    last_error = models.CharField(_("last error"), max_length=500, blank=True, default="")
    created_on = models.DateTimeField(_("created on"), default=timezone.now, editable=False)
    finished_on = models.DateTimeField(_("finished on"), null=True, blank=True)
    cancelled_by = models.UUIDField(_("cancelled by"), null=True, blank=True, editable=False)

    class Meta:
        db_table = "deliveries"
        verbose_name, verbose_name_plural = _("delivery"), _("deliveries")
        constraints = [models.UniqueConstraint(fields=["event", "destination"], name="one_delivery_per_destination")]
        indexes = [
            models.Index(fields=["next_attempt_on", "id"], name="deliveries_due", condition=models.Q(state=0)),
            models.Index(fields=["state", "-id"], name="deliveries_by_state", condition=models.Q(state__gt=0)),
            models.Index(fields=["subject", "-id"], name="deliveries_of_subject"),
        ]

    def __str__(self):
        kind, _separator, name = self.destination.partition(":")
        return (_("mail “%s”") if kind == "mail" else _("event to “%s”")) % name


class FailedAttempt(models.Model):
    """An attempt at a delivery that came to nothing: a delivery itself knows only its last."""

    id = models.BigAutoField(_("ID"), primary_key=True)
    delivery = models.ForeignKey(Delivery, models.CASCADE, verbose_name=_("delivery"), related_name="failed_attempts")
    number = models.PositiveIntegerField(_("number"))
    error = models.CharField(_("error"), max_length=500)
    failed_on = models.DateTimeField(_("failed on"), default=timezone.now, editable=False)

    class Meta:
        db_table = "failed_attempts"
        verbose_name, verbose_name_plural = _("failed attempt"), _("failed attempts")

    def __str__(self):
        return _("attempt %(number)s") % {"number": self.number}


class PastOutcome(models.Model):
    """What had come of a delivery until somebody replayed or cancelled it, or that it was replayed.

    A delivery itself knows only what has come of it last.
    """

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="past_outcomes")
    outcome = models.CharField(max_length=10)  # as the timeline says it
    reason = models.CharField(max_length=500, default="")
    attempts = models.PositiveIntegerField(null=True)
    happened_on = models.DateTimeField(default=timezone.now)
    actor = models.UUIDField(null=True)

    class Meta:
        db_table = "past_outcomes"
        verbose_name, verbose_name_plural = _("past outcome"), _("past outcomes")

    def __str__(self):
        return self.outcome


class IdentitySetup(models.Model):
    """A tenant's set-up with one identity provider, for one tier. Done once it has an `auth_id`.

    `memory` is what one attempt leaves to the next, the client's secret among it: encrypted, and never shown.
    """

    id = models.UUIDField(_("ID"), primary_key=True, default=uuid.uuid4, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, verbose_name=_("tenant"), related_name="identity_setups")
    provider = models.CharField(_("provider"), max_length=100)
    tier = models.CharField(_("tier"), max_length=20)
    auth_id = models.CharField(_("user at the provider"), max_length=255, null=True, blank=True)
    memory = EncryptedTextField(_("memory"), default="{}", editable=False)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    last_error = models.CharField(_("last error"), max_length=500, blank=True, default="")
    created_on = models.DateTimeField(_("created on"), default=timezone.now, editable=False)
    created_by = models.UUIDField(_("created by"), null=True, blank=True, editable=False)
    finished_on = models.DateTimeField(_("finished on"), null=True, blank=True)

    class Meta:
        db_table = "identity_setups"
        verbose_name, verbose_name_plural = _("identity set-up"), _("identity set-ups")
        constraints = [models.UniqueConstraint(fields=["tenant", "provider", "tier"], name="one_setup_per_provider")]
        indexes = [models.Index(fields=["-created_on"], name="identity_setups_by_age")]

    def __str__(self):
        return f"{self.provider}, {self.tenant.name}"

    @property
    def memory_values(self) -> dict[str, str]:
        return json.loads(self.memory)


class IdentityStep(models.Model):
    """One step of a set-up, as its last attempt left it."""

    class Outcome(models.TextChoices):
        FOUND = "found", _("found")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    setup = models.ForeignKey(IdentitySetup, models.CASCADE, verbose_name=_("identity set-up"), related_name="steps")
    name = models.CharField(_("step"), max_length=50)
    what = models.CharField(_("what is done"), max_length=500)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome)
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    done_on = models.DateTimeField(_("done on"))

    class Meta:
        db_table = "identity_steps"
        verbose_name, verbose_name_plural = _("identity step"), _("identity steps")
        constraints = [models.UniqueConstraint(fields=["setup", "name"], name="one_row_per_step")]

    def __str__(self):
        return f"{self.name}: {self.outcome}"


class IdentityClaim(models.Model):
    """Who is setting something up just now: a tenant, or a thing that tenants share.

    It holds until `expires_at`, so that a process that dies delays the next and does not lock it out. No connection and
    no row lock is held meanwhile.
    """

    name = models.CharField(max_length=255, primary_key=True)
    holder = models.UUIDField()
    expires_at = models.DateTimeField()

    class Meta:
        db_table = "identity_claims"
        verbose_name, verbose_name_plural = _("identity claim"), _("identity claims")

    def __str__(self):
        return self.name

    @staticmethod
    def take(name: str, *, until) -> uuid.UUID | None:
        """The claim's holder id, to give it back with; None while somebody else has it."""
        holder = uuid.uuid4()
        IdentityClaim.objects.bulk_create(
            [IdentityClaim(name=name, holder=holder, expires_at=timezone.now())], ignore_conflicts=True
        )
        free = IdentityClaim.objects.filter(name=name, expires_at__lte=timezone.now())
        return holder if free.update(holder=holder, expires_at=until) else None

    @staticmethod
    def give_back(name: str, holder: uuid.UUID) -> None:
        IdentityClaim.objects.filter(name=name, holder=holder).delete()
