"""The mails to leads. A key is made when its mail is, so that none ever waits in a queue."""

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from config.mail import compose
from leads.models import Lead
from leads.verification import issue_key


def validate_lead(lead: Lead) -> EmailMultiAlternatives:
    """The mail with the link that proves the lead's address."""
    return compose(
        "validate_lead",
        to=lead.email,
        lead=lead,
        link=f"{settings.APP_VALIDATE_URL}/{lead.id}?code={issue_key(lead)}",
        minutes=round(settings.VALIDATION_TOKEN_EXPIRY.total_seconds() / 60) or 1,
    )


def already_registered(lead: Lead) -> EmailMultiAlternatives:
    """The mail to somebody who signs up a second time."""
    return compose("already_registered", to=lead.email, lead=lead, link=settings.APP_LOGIN_URL)
