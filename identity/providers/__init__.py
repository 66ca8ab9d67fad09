"""Identity providers by name. IDENTITY_PROVIDERS adds to them, or replaces them: name=dotted.path.

Each is imported, and its SDK with it, when it is first asked for.
"""

from collections.abc import Mapping
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from identity.providers.base import IdentityProvider, Misconfigured

PROVIDERS: dict[str, str] = {
    "keycloak": "identity.providers.keycloak.KeycloakProvider",
    "auth0": "identity.providers.auth0.Auth0Provider",
    "cognito": "identity.providers.cognito.CognitoProvider",
    "memory": "identity.providers.memory.MemoryProvider",
}


def known() -> Mapping[str, str]:
    """The dotted paths of the providers that may be named here; `memory` forgets, so it is none of production's."""
    built_in = {name: path for name, path in PROVIDERS.items() if name != "memory" or not settings.PRODUCTION}
    return {**built_in, **settings.IDENTITY_PROVIDERS}


@lru_cache
def _make(name: str, dotted_path: str) -> IdentityProvider:
    provider = import_string(dotted_path)()
    provider.name = name
    return provider


def get(name: str) -> IdentityProvider:
    """The provider `name`. Raises Misconfigured (400) for one that does not exist, or lacks a setting."""
    providers = known()
    if name not in providers:
        raise Misconfigured(
            f"There is no identity provider {name[:100]}; there is {', '.join(providers)}. "
            "IDENTITY_PROVIDERS adds to them."
        )
    return _make(name, providers[name])


def check_settings() -> None:
    """Raises ImproperlyConfigured for a provider that cannot be imported, or a default that does not exist."""
    for name, dotted_path in settings.IDENTITY_PROVIDERS.items():
        try:
            import_string(dotted_path)
        except ImportError as error:
            raise ImproperlyConfigured(f"IDENTITY_PROVIDERS: {name} cannot be imported: {error}") from error
    if settings.IDENTITY_PROVIDER and settings.IDENTITY_PROVIDER not in known():
        raise ImproperlyConfigured(f"IDENTITY_PROVIDER must be one of {', '.join(known())}.")
