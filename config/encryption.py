"""Secrets at rest: encrypted with Fernet, by the newest of ENCRYPTION_KEYS; older keys still decrypt (rotation)."""

from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models


@lru_cache(maxsize=1)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plain: str) -> str:
    """`plain` as a Fernet token (https://github.com/fernet/spec)."""
    return _cipher(tuple(settings.ENCRYPTION_KEYS)).encrypt(plain.encode()).decode()


def decrypt(token: str) -> str:
    """The text inside `token`. Raises cryptography.fernet.InvalidToken when none of the keys made it."""
    return _cipher(tuple(settings.ENCRYPTION_KEYS)).decrypt(token.encode()).decode()


class EncryptedTextField(models.TextField):
    """A text that the database only sees encrypted. It cannot be searched for."""

    def from_db_value(self, value, expression, connection):
        return None if value is None else decrypt(value)

    def get_prep_value(self, value):
        value = super().get_prep_value(value)
        return None if value is None else encrypt(value)
