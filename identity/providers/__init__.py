"""Identity providers by name. IDENTITY_PROVIDERS adds to them, or replaces them: name=dotted.path."""

from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from config.errors import BadRequest
from identity.providers.base import IdentityProvider

PROVIDERS: dict[str, str] = {}


@lru_cache
def _make(dotted_path: str) -> IdentityProvider:
    return import_string(dotted_path)()


def get(name: str) -> IdentityProvider:
    """The provider `name`. Raises BadRequest for one that is not set up here."""
    known = {**PROVIDERS, **settings.IDENTITY_PROVIDERS}
    if name not in known:
        raise BadRequest(
            f"The identity provider {name[:100]} is not set up: IDENTITY_PROVIDERS names {', '.join(known) or 'none'}."
        )
    return _make(known[name])


def check_settings() -> None:
    """Raises ImproperlyConfigured for a provider that cannot be imported."""
    for name, dotted_path in settings.IDENTITY_PROVIDERS.items():
        try:
            import_string(dotted_path)
        except ImportError as error:
            raise ImproperlyConfigured(f"IDENTITY_PROVIDERS: {name} cannot be imported: {error}") from error
