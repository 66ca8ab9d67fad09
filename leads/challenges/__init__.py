"""The challenge of the sign-up, off unless CHALLENGE_PROVIDER names one, by a name of these or the path of a class."""

from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from config.errors import BadRequest
from config.throttling import client_address
from config.turns import giving_way
from leads.challenges.base import Challenge

CHALLENGES = {
    "turnstile": "leads.challenges.turnstile.Turnstile",
    "hcaptcha": "leads.challenges.hcaptcha.HCaptcha",
}


def active() -> Challenge | None:
    """The challenge in use, or None. Raises ImproperlyConfigured for one that cannot be had."""
    return _make(settings.CHALLENGE_PROVIDER) if settings.CHALLENGE_PROVIDER else None


@lru_cache(maxsize=1)
def _make(name: str) -> Challenge:
    if name not in CHALLENGES and "." not in name:
        raise ImproperlyConfigured(f"CHALLENGE_PROVIDER names the unknown {name}; there is: {', '.join(CHALLENGES)}.")
    try:
        return import_string(CHALLENGES.get(name, name))()
    except ImportError as error:
        raise ImproperlyConfigured(f"CHALLENGE_PROVIDER: {name} cannot be imported: {error}") from error


def check(challenge: Challenge, request) -> None:
    """Have the provider of `challenge` judge X-Challenge-Response. Calls out: no transaction may be open.

    Raises BadRequest for one that is missing or not passed, Unavailable (503) when the provider cannot be asked.
    """
    response = request.headers.get("X-Challenge-Response", "")
    with giving_way():
        passed = bool(response) and challenge.passes(response, client_address(request._request))
    if not passed:
        raise BadRequest("The challenge was not passed: try it again.", code="challenge_failed")
