"""Secrets at rest: encrypted with Fernet, by the newest of ENCRYPTION_KEYS; older keys still decrypt (rotation)."""

from functools import lru_cache

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute


@lru_cache(maxsize=1)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(plain: str) -> str:
    """`plain` as a Fernet token (https://github.com/fernet/spec)."""
    return _cipher(tuple(settings.ENCRYPTION_KEYS)).encrypt(plain.encode()).decode()


def decrypt(token: str) -> str:
    """The text inside `token`. Raises cryptography.fernet.InvalidToken when none of the keys made it."""
    return _cipher(tuple(settings.ENCRYPTION_KEYS)).decrypt(token.encode()).decode()


class _Sealed(str):
    """A Fernet token as it came from the database."""


class _DecryptedAttribute(DeferredAttribute):
    def __get__(self, instance, cls=None):
        value = super().__get__(instance, cls)
        return decrypt(value) if isinstance(value, _Sealed) else value

    def __set__(self, instance, value):
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(models.TextField):
    """A text that the database only sees encrypted. It cannot be searched for.

    It is decrypted when the attribute is read, and InvalidToken raised only then: the rest of a row outlives the key.
    """

    descriptor_class = _DecryptedAttribute

    def from_db_value(self, value, expression, connection):
        return None if value is None else _Sealed(value)

    def get_prep_value(self, value):
        value = super().get_prep_value(value)
        return None if value is None else encrypt(value)
