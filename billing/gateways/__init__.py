"""The payment gateways: the built-in one, and those of PAYMENT_GATEWAYS (name=dotted.path)."""

from collections.abc import Mapping
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from billing.gateways.base import PaymentGateway

GATEWAYS = {"manual": "billing.gateways.manual.ManualGateway"}


@lru_cache(maxsize=1)
def active() -> Mapping[str, PaymentGateway]:
    """The gateways by name, made once. Raises ImproperlyConfigured for one that cannot be."""
    made = {}
    for name, path in {**GATEWAYS, **settings.PAYMENT_GATEWAYS}.items():
        try:
            made[name] = import_string(path)()
        except ImportError as error:
            raise ImproperlyConfigured(f"PAYMENT_GATEWAYS names {name}, which cannot be imported: {error}") from error
    return made
