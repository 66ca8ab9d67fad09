"""The mails to a tenant's people."""

from django.conf import settings
from django.core.mail import EmailMultiAlternatives

from config.mail import compose
from tenants.models import Contact, Tenant


def tenant_welcome(tenant: Tenant, *, app_plane_url: str) -> EmailMultiAlternatives | None:
    """The mail to the primary contact of a tenant that stands; None for a tenant without contacts."""
    contact = tenant.primary_contact
    if contact is None:
        return None
    return compose(
        "tenant_welcome",
        to=contact.email,
        language=tenant.language,
        contact=contact,
        tenant=tenant,
        link=app_plane_url or settings.APP_LOGIN_URL,
    )


def identity_invitation(tenant: Tenant, contact: Contact, *, link: str) -> EmailMultiAlternatives:
    """The mail by which a tenant's first user sets a password; `link` works once."""
    return compose(
        "identity_invitation", to=contact.email, language=tenant.language, contact=contact, tenant=tenant, link=link
    )
