"""The end of a tenant: a grace period with a way back, the export of its data, and the erasure of what is personal."""

import io
import json
import uuid
import zipfile
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.utils.encoders import JSONEncoder

from billing.documents import file_of
from billing.models import BillingCustomer, CreditNote, Invoice, Payment, Subscription
from billing.serializers import (
    BillingCustomerSerializer,
    CreditNoteSerializer,
    InvoiceSerializer,
    PaymentSerializer,
    SubscriptionSerializer,
)
from config import audit
from config.errors import Conflict
from config.serializers import ModelSerializer
from leads.models import Address, Lead, LeadKey
from leads.serializers import AddressSerializer, LeadSerializer
from provisioning.delivery import Progress
from provisioning.models import Delivery, Event, ProvisioningRun
from provisioning.requests import fail_run, publish_deprovisioning
from tenants import lifecycle
from tenants.models import Branding, Contact, Resource, Tenant, TenantConfig, TenantStatus
from tenants.serializers import (
    BrandingSerializer,
    ContactSerializer,
    ResourceSerializer,
    TenantConfigSerializer,
    TenantSerializer,
)

ERASED = "(erased)"
"""What stands in place of names, and of the tenant's key: no key has a parenthesis, so by that it is told."""
ERASED_MAIL = "@erased.invalid"
"""How the mail address of an erased lead ends, behind the lead's id. Nobody has one there (RFC 2606)."""


@transaction.atomic
def restore(*, tenant_id: uuid.UUID, actor: uuid.UUID | None) -> None:
    """Call a deprovisioning off while its grace period lasts: the tenant has its former status back.

    Raises NotFound, and Conflict once the event has been written: then only the provisioner knows how far it is.
    """
    tenant = lifecycle.locked(tenant_id)
    run = tenant.runs.filter(state=ProvisioningRun.State.OPEN, kind=ProvisioningRun.Kind.DEPROVISION).first()
    if run is None or run.events.exists():
        raise Conflict(_("There is no deprovisioning that could still be called off."), code="not_restorable")
    run.close(ProvisioningRun.State.FAILED, "Called off within the grace period.")
    lifecycle.fail_deprovisioning(tenant=tenant, former=TenantStatus(run.former_status), reason=run.reason, actor=actor)


def begin_after_grace() -> int:
    """Publish the deprovisionings whose grace period is over; how many. Those of deleted tenants are ended instead."""
    waiting = ProvisioningRun.objects.to_begin()
    begun = 0
    for run_id, tenant_id in list(waiting.values_list("id", "tenant_id")):
        with transaction.atomic():
            tenant = lifecycle.locked_in_any_case(tenant_id)
            run = waiting.filter(id=run_id).first()  # asked again behind the lock: it may have been called off
            if run is not None and not tenant.deleted:
                publish_deprovisioning(run=run, tenant=tenant)
                begun += 1
        if tenant.deleted:
            fail_run(run_id=run_id, reason="The tenant was deleted within the grace period.")
    return begun


def export(tenant: Tenant, *, progress: Progress = iter) -> bytes:
    """Everything that is kept about a tenant: a ZIP of JSON files in the shapes of the API, and the documents.

    These take the longest: they are gone through by `progress`.
    """
    parts: dict[str, Any] = {
        "tenant.json": TenantSerializer(tenant).data,
        "lead.json": LeadSerializer(tenant.lead).data if tenant.lead else None,
        "address.json": AddressSerializer(tenant.address).data if tenant.address else None,
        "contacts.json": _rows(ContactSerializer, tenant.contacts(manager="objects").all()),
        "configs.json": _rows(TenantConfigSerializer, tenant.configs(manager="objects").all()),
        "resources.json": _rows(ResourceSerializer, tenant.resources(manager="objects").all()),
        "branding.json": _rows(BrandingSerializer, tenant.brandings(manager="objects").all()),
        "identity.json": _identities(tenant),
        "subscriptions.json": _rows(SubscriptionSerializer, tenant.subscriptions(manager="objects").all()),
        "billing-customers.json": _rows(BillingCustomerSerializer, tenant.billing_customers(manager="objects").all()),
        "invoices.json": _rows(InvoiceSerializer, tenant.invoices(manager="objects").all()),
        "payments.json": _rows(PaymentSerializer, Payment.objects.filter(invoice__tenant=tenant)),
        "credit-notes.json": _rows(CreditNoteSerializer, CreditNote.objects.filter(invoice__tenant=tenant)),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in parts.items():
            bundle.writestr(name, json.dumps(data, cls=JSONEncoder, indent=2, ensure_ascii=False))
        for document in progress(_documents(tenant)):
            bundle.writestr(f"documents/{document.number}.pdf", file_of(document))
    return file.getvalue()


def _documents(tenant: Tenant) -> list[Invoice | CreditNote]:
    invoices = tenant.invoices(manager="objects").issued().order_by("number")
    notes = CreditNote.objects.filter(invoice__tenant=tenant).select_related("invoice").order_by("number")
    return [*invoices, *notes]


def _rows(serializer: type[ModelSerializer], rows: Iterable) -> list[dict[str, Any]]:
    shape = serializer()
    return [shape.to_representation(row) for row in rows]


def _identities(tenant: Tenant) -> list[dict[str, Any]]:
    """The tenant's identity set-ups, without the credentials."""
    return [
        {
            "provider": setup.provider,
            "tier": setup.tier,
            "authId": setup.auth_id,
            "createdOn": setup.created_on,
            "finishedOn": setup.finished_on,
            "steps": [
                {"name": step.name, "what": step.what, "outcome": step.outcome, "time": step.done_on}
                for step in setup.steps.all()
            ],
        }
        for setup in tenant.identity_setups.order_by("created_on").prefetch_related("steps")
    ]


def deleted_longer_than(age: timedelta) -> QuerySet[Tenant]:
    """The tenants that were deleted longer than `age` ago and that `erase` has not been at, the oldest first."""
    due = Tenant.everything.filter(deleted=True, deleted_on__lt=timezone.now() - age).exclude(key=ERASED)
    return due.order_by("deleted_on")


def abandoned_longer_than(age: timedelta) -> QuerySet[Lead]:
    """The leads without a tenant, but for erased ones, that were deleted or left unverified longer than `age` ago."""
    horizon = timezone.now() - age
    given_up = Q(deleted=True, deleted_on__lt=horizon) | Q(deleted=False, is_validated=False, modified_on__lt=horizon)
    has_tenant = Exists(Tenant.everything.exclude(key=ERASED).filter(lead=OuterRef("id")))
    known = Lead.everything.exclude(email__endswith=ERASED_MAIL)
    return known.filter(given_up, ~has_tenant).order_by("modified_on")


@transaction.atomic
def erase(tenant_id: uuid.UUID, *, older_than: timedelta) -> bool:
    """Erase what is personal of a tenant that was deleted longer than `older_than` ago; whether it still was so.

    Contacts, configurations, resources, identity set-ups, events and callbacks go; the tenant, its lead and their
    addresses lose what names somebody, and the audit log forgets what it said of them all. What another tenant has,
    though it be deleted and only not erased, stays, and so does the address of a lead that stays. Invoices stay, as
    accounting law wants them.
    """
    tenant = lifecycle.locked_in_any_case(tenant_id)
    if not deleted_longer_than(older_than).filter(id=tenant_id).exists():  # it may have been restored
        return False
    others = Tenant.everything.exclude(key=ERASED).exclude(id=tenant.id)
    lead = Lead.everything.select_for_update(no_key=True).filter(id=tenant.lead_id).first()  # as onboarding does
    lead_goes = lead is not None and not others.filter(lead=lead).exists()
    _delete(
        *(model.everything.filter(tenant=tenant) for model in (Contact, Resource, TenantConfig, Branding)),
        BillingCustomer.everything.filter(tenant=tenant),
        tenant.refused_calls.all(),
        tenant.identity_setups.all(),
        Delivery.objects.filter(subject=tenant.id),
        Event.objects.filter(subject=tenant.id),
        tenant.runs.all(),
    )
    audit.forget(Subscription.everything.filter(tenant=tenant))
    audit.forget(Tenant.everything.filter(id=tenant.id))
    tenant.name, tenant.key, tenant.domains, tenant.spoc_user_id = ERASED, ERASED, [], None
    tenant.save(update_fields=["name", "key", "domains", "spoc_user_id"])
    if lead_goes:
        _erase_lead(lead)
    _erase_address(tenant.address_id)
    return True


@transaction.atomic
def erase_lead(lead_id: uuid.UUID, *, older_than: timedelta) -> bool:
    """Erase what is personal of a lead that was given up longer than `older_than` ago; whether it still was so."""
    lead = Lead.everything.select_for_update(no_key=True).get(id=lead_id)
    if not abandoned_longer_than(older_than).filter(id=lead_id).exists():  # it may have been verified
        return False
    _erase_lead(lead)
    return True


def _erase_lead(lead: Lead) -> None:
    LeadKey.objects.filter(lead=lead).delete()
    _delete(Delivery.objects.filter(subject=lead.id), Event.objects.filter(subject=lead.id))
    row = Lead.everything.filter(id=lead.id)
    audit.forget(row)
    nobody = dict.fromkeys(("first_name", "last_name", "company_name"), ERASED)
    row.audited_update(
        actor=settings.SYSTEM_USER_ID, **nobody, email=f"{lead.id}{ERASED_MAIL}", deleted=True,
        deleted_on=F("modified_on"),  # the former: a statement reads the row as it was
    )  # fmt: skip
    _erase_address(lead.address_id)


def _erase_address(address_id: uuid.UUID | None) -> None:
    """Unless somebody has it who is not erased."""
    address = Address.everything.filter(id=address_id)
    tenants, leads = Tenant.everything.exclude(key=ERASED), Lead.everything.exclude(email__endswith=ERASED_MAIL)
    for holders in (tenants, leads):
        address = address.exclude(Exists(holders.filter(address=OuterRef("id"))))
    audit.forget(address)
    address.audited_update(actor=settings.SYSTEM_USER_ID, address=None, city=None, state=None, zip=None)


def _delete(*several: QuerySet) -> None:
    for rows in several:
        audit.forget(rows)
        rows.delete()
