"""The sign-up pages: templates only. What they do, their scripts do through the API, as any other frontend would."""

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config.language import in_the_readers_language
from leads import challenges
from leads.abuse import form_stamp


def page(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """View decorator: a page that SIGNUP_PAGES switches, in the reader's language, kept by no cache."""

    @wraps(view)
    def wrapper(request, *args, **kwargs):
        if not settings.SIGNUP_PAGES:
            raise Http404
        return view(request, *args, **kwargs)

    return require_safe(never_cache(in_the_readers_language(wrapper)))


@page
def sign_up(request) -> HttpResponse:
    """The form."""
    challenge = challenges.active()
    context = {
        "stamp": form_stamp(),
        "minimum": settings.FORM_MIN_SECONDS,
        "work_email": settings.WORK_EMAIL_REQUIRED,
        "challenge": challenge,
        "login_url": settings.APP_LOGIN_URL if settings.APP_LOGIN_URL != settings.PUBLIC_URL else None,
    }
    response = render(request, "signup/form.html", context)
    if challenge:
        response._csp_update = challenge.csp  # what csp.decorators.csp_update does for a policy known beforehand
    return response


@page
def sent(request) -> HttpResponse:
    """Look into your inbox."""
    minutes = round(settings.VALIDATION_TOKEN_EXPIRY.total_seconds() / 60) or 1
    return render(request, "signup/sent.html", {**_mails(), "minutes": minutes})


@page
def verify(request, id) -> HttpResponse:
    """Where the mail's link leads. Nothing happens before a click: mail scanners follow links too."""
    response = render(request, "signup/verify.html", {**_mails(), "lead_id": id, "login_url": settings.APP_LOGIN_URL})
    response["Referrer-Policy"] = "no-referrer"
    return response


def _mails() -> dict[str, object]:
    """What a page has to know that offers another mail."""
    return {"cooldown": settings.RESEND_COOLDOWN, "mailbox": settings.MAILBOX}
