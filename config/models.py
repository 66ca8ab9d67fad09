"""What every table of CONTRACT section 8 has in common: the audit columns and the soft delete. Abstract only."""

import uuid
from collections.abc import Iterable
from functools import cached_property
from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AuditedQuerySet(models.QuerySet):
    def alive(self):
        return self.filter(deleted=False)

    def visible_to(self, principal):
        """The rows that `principal` may know of: all of them, or those of its own lead (CONTRACT section 2)."""
        lead_id = getattr(principal, "lead_id", None)
        return self if lead_id is None else self.filter(**{self.model.owned_through: lead_id})

    def lock(self) -> list[uuid.UUID]:
        """Lock the rows in the order of their ids, as all do that change several: nobody waits in a circle. The ids."""
        return list(self.order_by("id").select_for_update(of=("self",), no_key=True).values_list("id", flat=True))

    def audited_update(self, *, actor: uuid.UUID | None, **values) -> int:
        """Update in one statement, moving `modified_on` and `modified_by` too; the number of rows."""
        return self.update(modified_on=timezone.now(), modified_by=actor, **values)

    def soft_delete(self, *, actor: uuid.UUID | None) -> int:
        """Mark the rows as deleted by `actor`; the number of rows."""
        return self.alive().audited_update(actor=actor, deleted=True, deleted_on=timezone.now(), deleted_by=actor)

    def restore(self, *, actor: uuid.UUID | None) -> int:
        """Take the mark off again; the number of rows. Raises IntegrityError where a row's place is taken meanwhile."""
        gone = self.filter(deleted=True)
        return gone.audited_update(actor=actor, deleted=False, deleted_on=None, deleted_by=None)


class AuditedManager(models.Manager):
    """Sees what is not deleted; made with the queryset of its model: `AuditedManager.from_queryset(…)()`."""

    def get_queryset(self):
        if self._db or self._hints:
            return super().get_queryset().alive()
        return self._alive.all()

    @cached_property
    def _alive(self):
        """Worked out once: Django takes longer for it than PostgreSQL for a row."""
        return super().get_queryset().alive()


class AuditedModel(models.Model):
    """A row that knows who made and changed it, and that a delete only hides.

    Actors are ids without a foreign key: a token minted elsewhere names users that this database does not have.
    """

    id = models.UUIDField(_("ID"), primary_key=True, default=uuid.uuid4, editable=False)
    created_on = models.DateTimeField(_("created on"), default=timezone.now, editable=False)
    modified_on = models.DateTimeField(_("modified on"), auto_now=True)
    created_by = models.UUIDField(_("created by"), null=True, blank=True, editable=False)
    modified_by = models.UUIDField(_("modified by"), null=True, blank=True, editable=False)
    deleted = models.BooleanField(_("deleted"), default=False, editable=False)
    deleted_on = models.DateTimeField(_("deleted on"), null=True, blank=True, editable=False)
    deleted_by = models.UUIDField(_("deleted by"), null=True, blank=True, editable=False)

    objects = AuditedManager.from_queryset(AuditedQuerySet)()
    everything = models.Manager.from_queryset(AuditedQuerySet)()

    owned_through: ClassVar[str]
    """The lookup from this model to the id of the lead that owns the row."""

    class Meta:
        abstract = True
        default_manager_name = "everything"
        base_manager_name = "everything"
        ordering = ("created_on", "id")
        indexes: ClassVar = [
            models.Index(fields=["created_on", "id"], name="%(class)s_by_age", condition=models.Q(deleted=False))
        ]

    def save(self, *, update_fields: Iterable[str] | None = None, **kwargs) -> None:
        if update_fields is not None:
            update_fields = {*update_fields, "modified_on"}
        super().save(update_fields=update_fields, **kwargs)
