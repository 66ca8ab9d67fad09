"""The language of pages, mails and documents. The API is English: its callers are programs, which go by codes."""

import datetime
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.formats import localize_input

YEAR = 31_536_000  # seconds


def language_of(request: HttpRequest) -> str:
    """The best of LANGUAGES for who is asking: what was chosen on a page before, else by Accept-Language."""
    return translation.get_language_from_request(request)


def in_language(language: str) -> translation.override:
    """Context manager: speak `language`, or the service's own where it is none of LANGUAGES."""
    return translation.override(language if language in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE)


def second(moment: datetime.datetime) -> str:
    """As it is written in the language of now: 2026-01-31 09:05:00, or 31.01.2026 09:05:00."""
    return localize_input(timezone.localtime(moment))


def in_the_readers_language(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """View decorator: render in the reader's language; `?lang=` chooses one and is remembered."""

    @wraps(view)
    def wrapper(request, *args, **kwargs):
        chosen = request.GET.get("lang")
        if chosen not in dict(settings.LANGUAGES):
            chosen = None
        with translation.override(chosen or language_of(request)):
            response = view(request, *args, **kwargs)
            response["Content-Language"] = translation.get_language()
        patch_vary_headers(response, ["Accept-Language", "Cookie"])
        if chosen:
            response.set_cookie(
                settings.LANGUAGE_COOKIE_NAME,
                chosen,
                max_age=YEAR,
                samesite="Lax",
                secure=settings.SESSION_COOKIE_SECURE,
            )
        return response

    return wrapper
