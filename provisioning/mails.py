"""Which mail a delivery to "mail:<name>" is: rendered at delivery, by the room that owns it."""

from collections.abc import Callable, Mapping

from django.core.mail import EmailMultiAlternatives

from billing import mails as billing_mails
from billing.models import CreditNote, Invoice, Subscription, SubscriptionStatus
from leads.mails import already_registered, sign_up_link, validate_lead
from leads.models import Lead
from provisioning import profiles
from provisioning.models import Event
from tenants.mails import tenant_welcome
from tenants.models import Tenant

Mail = EmailMultiAlternatives | None


def _validate_lead(event: Event) -> Mail:
    lead = Lead.objects.filter(id=event.subject, is_validated=False).first()
    return validate_lead(lead) if lead else None


def _sign_up_link(event: Event) -> Mail:
    lead = Lead.objects.filter(id=event.subject).first()
    return sign_up_link(lead) if lead else None


def _already_registered(event: Event) -> Mail:
    lead = Lead.objects.filter(id=event.subject).first()
    unfinished = not Tenant.objects.filter(lead=event.subject).exists()
    return already_registered(lead, unfinished=unfinished) if lead else None


def _tenant_welcome(event: Event) -> Mail:
    tenant = Tenant.objects.filter(id=event.subject).first()
    return tenant_welcome(tenant, app_plane_url=event.payload["appPlaneUrl"]) if tenant else None


def _invoice(event: Event) -> Mail:
    return billing_mails.invoice(_invoice_of(event))


def _invoice_reminder(event: Event) -> Mail:
    return billing_mails.invoice_reminder(_invoice_of(event))


def _invoice_of(event: Event) -> Invoice:
    return Invoice.everything.select_related("tenant").get(id=event.payload["invoice"]["id"])


def _credit_note(event: Event) -> Mail:
    notes = CreditNote.everything.select_related("invoice__tenant")
    return billing_mails.credit_note(notes.get(id=event.payload["creditNote"]["id"]))


def _subscription_ending(event: Event) -> Mail:
    ending = Subscription.objects.select_related("tenant", "plan").filter(
        tenant=event.subject, status=SubscriptionStatus.ACTIVE, end_date__isnull=False
    )
    found = ending.first()
    return billing_mails.subscription_ending(found) if found else None


MAILS: Mapping[str, Callable[[Event], Mail]] = {
    "validate_lead": _validate_lead,
    "sign_up_link": _sign_up_link,
    "already_registered": _already_registered,
    "tenant_welcome": _tenant_welcome,
    "identity_invitation": profiles.invitation,
    "invoice": _invoice,
    "invoice_reminder": _invoice_reminder,
    "credit_note": _credit_note,
    "subscription_ending": _subscription_ending,
}
"""None means that there is nobody to write to any more."""
