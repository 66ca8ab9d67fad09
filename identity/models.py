"""The people who log in: staff; and the requests that callers may repeat. Leads are no users."""

import uuid
from datetime import timedelta

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _
from django_otp.models import Device, ThrottlingMixin

from config.encryption import EncryptedTextField
from config.pruning import delete_in_batches


class User(AbstractUser):
    """A member of staff. Groups give permissions, and through them the codes of CONTRACT section 2."""

    id = models.UUIDField(_("ID"), primary_key=True, default=uuid.uuid4, editable=False)

    class Meta(AbstractUser.Meta):
        db_table = "users"


class RecoveryDevice(ThrottlingMixin, Device):
    """The recovery codes of a member of staff, as a second factor of its own. `identity.recovery` makes them."""

    class Meta:
        db_table = "recovery_devices"
        verbose_name, verbose_name_plural = _("recovery device"), _("recovery devices")
        constraints = [models.UniqueConstraint(fields=["user"], name="one_recovery_device_per_user")]

    def verify_token(self, token: str) -> bool:
        """Whether `token` is one of the codes, which it then is no longer: the row is deleted, by one request alone."""
        if not self.verify_is_allowed()[0]:
            return False
        if not self.codes.filter(hash=hash_of(self, token)).delete()[0]:
            self.throttle_increment()
            return False
        self.throttle_reset()
        return True

    def get_throttle_factor(self) -> float:
        """Seconds to wait after the first wrong code; doubled by each further one."""
        return 1


class RecoveryCode(models.Model):
    """One that was not used yet: only its hash is kept."""

    device = models.ForeignKey(RecoveryDevice, models.CASCADE, related_name="codes")
    hash = models.CharField(max_length=64)

    class Meta:
        db_table = "recovery_codes"
        verbose_name, verbose_name_plural = _("recovery code"), _("recovery codes")
        constraints = [models.UniqueConstraint(fields=["device", "hash"], name="recovery_code_unique")]

    def __str__(self):
        return f"a recovery code of {self.device_id}"


def hash_of(device: RecoveryDevice, code: str) -> str:
    """What is kept of a code: an HMAC under DJANGO_SECRET_KEY, so that the table alone gives nothing to guess at."""
    plain = code.replace("-", "").replace(" ", "").lower()
    return salted_hmac(f"recovery:{device.pk}", plain, algorithm="sha256").hexdigest()


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
        verbose_name, verbose_name_plural = _("idempotent request"), _("idempotent requests")
        constraints = [models.UniqueConstraint(fields=["scope"], name="idempotency_key_unique")]

    def __str__(self):
        return f"request of {self.created_on:%Y-%m-%d %H:%M:%S}"

    @staticmethod
    def prune() -> int:
        """Forget what is older than KEPT; how many."""
        return delete_in_batches(IdempotentRequest.objects.filter(created_on__lt=timezone.now() - KEPT))
