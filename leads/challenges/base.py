"""What a challenge is: a widget of its provider in the form, whose answer the provider is asked about.

Turnstile, hCaptcha and their like are asked in the same way; a subclass says what differs.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import requests
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from rest_framework.exceptions import APIException

TIMEOUT = (3, 5)  # seconds to connect, to answer


class Unavailable(APIException):
    """The provider cannot be asked now."""

    status_code = 503
    default_detail = "The challenge cannot be checked now: try again in a minute."
    default_code = "challenge_unavailable"


class Challenge:
    script: ClassVar[str]
    """The provider's script, which turns the elements of class `widget` into the challenge."""
    script_object: ClassVar[str]
    """The script's global object, whose `reset()` has the widget give another answer: one is taken once."""
    widget: ClassVar[str]
    field: ClassVar[str]
    """The form's field that the script puts the answer into."""
    verify_url: ClassVar[str]
    csp: ClassVar[Mapping[str, Sequence[str]]]
    """What the form's Content-Security-Policy has to let pass besides."""

    def __init__(self):
        if not settings.CHALLENGE_SITE_KEY or not settings.CHALLENGE_SECRET:
            raise ImproperlyConfigured("CHALLENGE_SITE_KEY and CHALLENGE_SECRET are required by CHALLENGE_PROVIDER.")
        self.site_key: str = settings.CHALLENGE_SITE_KEY

    def passes(self, response: str, address: str) -> bool:
        """Whether the provider takes `response`, given by the client at `address`. Raises Unavailable."""
        form = {"secret": settings.CHALLENGE_SECRET, "response": response[:4096], "remoteip": address}
        try:
            answer = requests.post(self.verify_url, form, timeout=TIMEOUT, allow_redirects=False)
            answer.raise_for_status()
            return answer.json().get("success") is True
        except (requests.RequestException, AttributeError) as error:
            raise Unavailable from error
