"""Which mail a delivery to "mail:<name>" is: rendered at delivery, by the room that owns it."""

from collections.abc import Callable, Mapping

from django.core.mail import EmailMultiAlternatives

from leads.mails import already_registered, sign_up_link, validate_lead
from leads.models import Lead
from provisioning.models import Event
from tenants.mails import tenant_welcome
from tenants.models import Tenant

Mail = EmailMultiAlternatives | None


def _validate_lead(event: Event) -> Mail:
    lead = Lead.objects.filter(id=event.subject, is_validated=False).first()
    return lead and validate_lead(lead)


def _sign_up_link(event: Event) -> Mail:
    lead = Lead.objects.filter(id=event.subject).first()
    return lead and sign_up_link(lead)


def _already_registered(event: Event) -> Mail:
    lead = Lead.objects.filter(id=event.subject).first()
    return lead and already_registered(lead, unfinished=not Tenant.objects.filter(lead=lead).exists())


def _tenant_welcome(event: Event) -> Mail:
    tenant = Tenant.objects.filter(id=event.subject).first()
    return tenant and tenant_welcome(tenant, app_plane_url=event.payload["appPlaneUrl"])


MAILS: Mapping[str, Callable[[Event], Mail]] = {
    "validate_lead": _validate_lead,
    "sign_up_link": _sign_up_link,
    "already_registered": _already_registered,
    "tenant_welcome": _tenant_welcome,
}
"""None means that there is nobody to write to any more."""
