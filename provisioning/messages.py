"""What a connector publishes (CONTRACT section 7): the event as JSON, its secret put in only now."""

import uuid
from collections.abc import Iterable
from datetime import UTC
from typing import Any

from django.conf import settings

from billing.models import CreditNote, Invoice, Subscription
from billing.serializers import CreditNoteSerializer, InvoiceSerializer, PlanSerializer
from leads.models import Lead
from leads.serializers import AddressSerializer, LeadSerializer
from provisioning.models import Event, ProvisioningRun
from tenants.models import Contact, Tenant
from tenants.serializers import ContactSerializer, TenantSerializer

AUDIT_KEYS = frozenset({"createdOn", "modifiedOn", "createdBy", "modifiedBy", "deleted", "deletedOn", "deletedBy"})


def tenant_payload(tenant: Tenant, contacts: Iterable[Contact] | None = None) -> dict[str, Any]:
    """A tenant with its contacts and address as events carry it, without audit fields.

    `contacts` are all of them, where they are at hand.
    """
    return tenant_payloads([tenant], contacts)[tenant.id]


def tenant_payloads(
    tenants: Iterable[Tenant], contacts: Iterable[Contact] | None = None
) -> dict[uuid.UUID, dict[str, Any]]:
    """As `tenant_payload`, of many at once: one statement, given that their addresses were fetched."""
    by_id = {tenant.id: tenant for tenant in tenants}
    people: dict[uuid.UUID, list] = {id: [] for id in by_id}
    shape = ContactSerializer()
    if contacts is None:
        contacts = Contact.objects.filter(tenant__in=by_id).order_by("created_on", "id")
    for contact in contacts:
        people[contact.tenant_id].append(_plain(shape.to_representation(contact)))
    shapes = TenantSerializer(), AddressSerializer()
    return {
        id: {
            "tenant": _plain(shapes[0].to_representation(tenant))
            | {
                "contacts": people[id],
                "address": _plain(shapes[1].to_representation(tenant.address)) if tenant.address else None,
            }
        }
        for id, tenant in by_id.items()
    }


def lead_payload(lead: Lead) -> dict[str, Any]:
    """A lead as events carry it, without audit fields."""
    return {"lead": _plain(LeadSerializer(lead).data)}


def invoice_payload(invoice: Invoice) -> dict[str, Any]:
    """An invoice and its tenant as events carry them."""
    ((_, payload),) = invoice_payloads([invoice])
    return payload


def invoice_payloads(invoices: Iterable[Invoice]) -> list[tuple[uuid.UUID, dict[str, Any]]]:
    """As `invoice_payload`, of many at once, each with its subject."""
    invoices = list(invoices)
    tenants, shape = tenant_payloads(invoice.tenant for invoice in invoices), InvoiceSerializer()
    return [
        (each.tenant_id, {**tenants[each.tenant_id], "invoice": _plain(shape.to_representation(each))})
        for each in invoices
    ]


def credit_note_payload(note: CreditNote) -> dict[str, Any]:
    """A credit note and its invoice as events carry them."""
    return {**invoice_payload(note.invoice), "creditNote": _plain(CreditNoteSerializer(note).data)}


def subscription_payload(subscription: Subscription) -> dict[str, Any]:
    """A subscription and its tenant as events carry them."""
    ((_, payload),) = subscription_payloads([subscription])
    return payload


def subscription_payloads(subscriptions: Iterable[Subscription]) -> list[tuple[uuid.UUID, dict[str, Any]]]:
    """As `subscription_payload`, of many at once, each with its subject."""
    subscriptions = list(subscriptions)
    tenants = tenant_payloads(subscription.tenant for subscription in subscriptions)
    return [
        (each.tenant_id, {**tenants[each.tenant_id], "subscription": subscription_of(each)}) for each in subscriptions
    ]


def subscription_of(subscription: Subscription) -> dict[str, Any]:
    """A subscription to a plan of the catalogue as events carry it: the reference's fields."""
    dates = subscription.start_date, subscription.end_date
    start, end = (None if date is None else _time(date.astimezone(UTC)) for date in dates)
    return {
        "id": subscription.reference or str(subscription.id),
        "subscriberId": str(subscription.tenant_id),
        "startDate": start,
        "endDate": end,
        "status": subscription.status,
        "planId": str(subscription.plan_id),
        "plan": _plain(PlanSerializer(subscription.plan).data),
    }


def run_payload(run: ProvisioningRun) -> dict[str, Any]:
    """What an event says of a run, without its secret."""
    silo = run.isolation == ProvisioningRun.Isolation.SILO
    return {
        "subscription": run.subscription,
        "isolation": run.isolation,
        "pipeline": settings.SILOED_PIPELINE if silo else settings.POOLED_PIPELINE,
    }


def message(event: Event) -> dict[str, Any]:
    """The JSON that leaves."""
    result = {"id": str(event.event_id), "type": event.type, "time": _time(event.occurred_on), **event.payload}
    if event.run is not None:
        result |= {
            "secret": event.run.secret,
            "context": str(event.run.context),
            "callbackUrl": f"{settings.PUBLIC_URL}/webhook",
            "usersUrl": f"{settings.PUBLIC_URL}/manage/users",
        }
    return result


def _time(moment) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in AUDIT_KEYS}
