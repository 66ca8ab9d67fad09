"""Recovery codes: what lets somebody in whose authenticator app is lost, each once.

django-otp's own plugin keeps such codes readable (its StaticToken is the code), so these are a device of ours.
"""

import secrets

from django.db import transaction

from identity.models import RecoveryCode, RecoveryDevice, User, hash_of

COUNT = 10
LETTERS = "abcdefghjkmnpqrstuvwxyz"
SIGNS = LETTERS + "23456789"
"""What nobody takes for another: ten of them are 49 bits, and wrong ones make the next wait longer each time."""


@transaction.atomic
def renew(user: User) -> list[str]:
    """Fresh codes for the user, to be shown once; the former ones are worth nothing any more."""
    device, _ = RecoveryDevice.objects.get_or_create(user=user, defaults={"name": "recovery codes"})
    RecoveryDevice.objects.select_for_update().get(pk=device.pk)
    device.codes.all().delete()
    codes = [_code() for _ in range(COUNT)]
    RecoveryCode.objects.bulk_create(RecoveryCode(device=device, hash=hash_of(device, code)) for code in codes)
    return codes


def left(user: User) -> int:
    return RecoveryCode.objects.filter(device__user=user).count()


def _code() -> str:
    """Begins with a letter: an app's code does not."""
    signs = secrets.choice(LETTERS) + "".join(secrets.choice(SIGNS) for _ in range(9))
    return f"{signs[:5]}-{signs[5:]}"
