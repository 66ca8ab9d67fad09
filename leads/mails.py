"""The mails to leads. A key is made when its mail is, so that none ever waits in a queue."""

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from config.mail import compose
from leads.models import Lead
from leads.verification import issue_key


def validate_lead(lead: Lead) -> EmailMultiAlternatives:
    """The mail with the link that proves the lead's address."""
    return _with_key("validate_lead", lead)


def sign_up_link(lead: Lead) -> EmailMultiAlternatives:
    """The mail to a lead that asked for another link, to prove its address or to go on after that."""
    return _with_key("continue_sign_up" if lead.is_validated else "validate_lead", lead)


def already_registered(lead: Lead, *, unfinished: bool) -> EmailMultiAlternatives:
    """The mail to somebody who signs up a second time; `unfinished` when the first time led to no tenant."""
    if unfinished:
        return _with_key("already_registered", lead, unfinished=True)
    return compose("already_registered", to=lead.email, language=lead.language, lead=lead, link=settings.APP_LOGIN_URL)


def _with_key(name: str, lead: Lead, **context) -> EmailMultiAlternatives:
    """The mail `name` with a link that holds a key made now."""
    return compose(
        name,
        to=lead.email,
        language=lead.language,
        lead=lead,
        link=f"{settings.APP_VALIDATE_URL}/{lead.id}?code={issue_key(lead)}",
        minutes=round(settings.VALIDATION_TOKEN_EXPIRY.total_seconds() / 60) or 1,
        **context,
    )
