"""What keeps machines from signing up: limits per address and mail domain, and a check of our own form.

None of it asks whether an address is known, so none of it tells. The form's check holds for requests that carry its
stamp alone: another frontend has a form of its own, and a machine that speaks to the API directly is held by the limits
and, where one is set up, by the challenge (`leads.challenges`).
"""

import uuid

from django.conf import settings
from django.core.signing import BadSignature, TimestampSigner

from config.domains import mail_domain
from config.errors import BadRequest
from config.throttling import count_against, pause_after
from leads.mail_domains import is_public

HOUR = 3600
STAMP_LIFE = 86_400  # seconds that a form may lie open
_signer = TimestampSigner(salt="leads.form")


def limit_sign_ups(request, email: str) -> None:
    """Count a sign-up against its address and its mail domain. Raises Throttled (429)."""
    domain = mail_domain(email)
    count_against(request, "sign-ups of an address", email.lower(), limit=settings.SIGN_UPS_PER_EMAIL, seconds=HOUR)
    if not is_public(domain):
        count_against(request, "sign-ups of a domain", domain, limit=settings.SIGN_UPS_PER_DOMAIN, seconds=HOUR)


def limit_resends(request, lead_id: uuid.UUID) -> None:
    """One mail per RESEND_COOLDOWN, and as many in an hour as an address may sign up. Raises Throttled (429).

    Counted by the id alone, and whether or not there is such a lead: a limit per address would tell.
    """
    pause_after(f"resends:{lead_id}", seconds=settings.RESEND_COOLDOWN)
    count_against(request, "resends of an hour", str(lead_id), limit=settings.SIGN_UPS_PER_EMAIL, seconds=HOUR)


def form_stamp() -> str:
    """What our form sends back as X-Form-Stamp: when it was handed out, signed."""
    return _signer.sign("sign-up")


def check_form(*, stamp: str | None, trap: str | None) -> None:
    """Judge a request that says it comes from our form. Raises BadRequest with a sentence for people.

    `trap` is what was typed into a field that nobody sees.
    """
    if stamp is None:
        return
    try:
        _signer.unsign(stamp, max_age=STAMP_LIFE)
    except BadSignature as error:
        raise BadRequest("The form is too old: load the page again.", code="form_expired") from error
    if trap:
        raise BadRequest("A field was filled that nobody sees: load the page again.", code="form_refused")
    if settings.FORM_MIN_SECONDS and _younger(stamp, settings.FORM_MIN_SECONDS):
        raise BadRequest("The form was sent faster than it can be filled in: send it again.", code="form_too_fast")


def _younger(stamp: str, seconds: int) -> bool:
    """Less than a second is let off, since a stamp says the second that had begun."""
    try:
        _signer.unsign(stamp, max_age=seconds)
    except BadSignature:
        return False
    return True
