"""What a connector publishes (CONTRACT section 7): the event as JSON, its secret put in only now."""

from typing import Any

from django.conf import settings

from billing.models import Invoice, Plan
from billing.serializers import InvoiceSerializer, PlanSerializer
from leads.models import Lead
from leads.serializers import AddressSerializer, LeadSerializer
from provisioning.models import Event, ProvisioningRun
from tenants.models import Tenant
from tenants.serializers import ContactSerializer, TenantSerializer

AUDIT_KEYS = frozenset({"createdOn", "modifiedOn", "createdBy", "modifiedBy", "deleted", "deletedOn", "deletedBy"})


def tenant_payload(tenant: Tenant) -> dict[str, Any]:
    """A tenant with its contacts and address as events carry it, without audit fields."""
    contacts = tenant.contacts(manager="objects").order_by("created_on", "id")
    return {
        "tenant": _plain(TenantSerializer(tenant).data)
        | {
            "contacts": [_plain(ContactSerializer(contact).data) for contact in contacts],
            "address": _plain(AddressSerializer(tenant.address).data) if tenant.address else None,
        }
    }


def lead_payload(lead: Lead) -> dict[str, Any]:
    """A lead as events carry it, without audit fields."""
    return {"lead": _plain(LeadSerializer(lead).data)}


def invoice_payload(invoice: Invoice) -> dict[str, Any]:
    """An invoice and its tenant as events carry them."""
    return {**tenant_payload(invoice.tenant), "invoice": _plain(InvoiceSerializer(invoice).data)}


def subscription_to(plan: Plan, *, id: str) -> dict[str, Any]:
    """A subscription to a plan of the catalogue as events carry it."""
    return {"id": id, "planId": str(plan.id), "plan": _plain(PlanSerializer(plan).data)}


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
