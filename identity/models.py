"""The people who log in: staff; and the requests that callers may repeat. Leads are no users."""

import uuid
from datetime import timedelta

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone

from config.encryption import EncryptedTextField


class User(AbstractUser):
    """A member of staff. Groups give permissions, and through them the codes of CONTRACT section 2."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta(AbstractUser.Meta):
        db_table = "users"


KEPT = timedelta(hours=24)
"""How long an Idempotency-Key is remembered."""


class IdempotentRequest(models.Model):
    """The answer to a request that came with an Idempotency-Key; `scope` is a hash of the caller and the key."""

    scope = models.CharField(max_length=64)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    answer = EncryptedTextField(null=True)
    created_on = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        db_table = "idempotent_requests"
        constraints = [models.UniqueConstraint(fields=["scope"], name="idempotency_key_unique")]

    def __str__(self):
        return f"request of {self.created_on:%Y-%m-%d %H:%M:%S}"

    @staticmethod
    def prune() -> int:
        """Forget what is older than KEPT; how many."""
        return IdempotentRequest.objects.filter(created_on__lt=timezone.now() - KEPT).delete()[0]
