"""Every page of the back-office, each of an object that has nothing that may be missing, and little else but length."""

from typing import Any

from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet
from django.test import RequestFactory
from django.utils import timezone

import config.urls  # noqa: F401  (where pages are registered)
from billing.models import BillingCustomer, InvoiceStatus, NumberSeries
from billing.settlement import record_credit
from identity.models import User
from provisioning.models import Delivery, Event, IdentitySetup, ProvisioningRun
from tenants.models import Branding, Tenant, TenantStatus
from tests import make
from webhooks.models import ReceivedCall, RefusedCall

ALONE = {"dashboard": "/admin/?days=365", "two-factor": "/admin/two-factor/", "password": "/admin/password_change/"}
FILES = {"download", "export"}
"""Operations that answer with a file, and have no page."""
LONG_NAME = "A company whose name goes on and on as those of some companies do, and Sons"
LONG_ERROR = "https://provisioner.example/" + "a_path_without_end" * 20


def barest() -> dict[type[Model], Model]:
    """One object of each kind, just made, beside those of `manage.py seed`."""
    tenant = make.make_tenant(name=LONG_NAME, status=TenantStatus.ACTIVE)
    deleted = make.make_tenant(deleted=True)
    Branding.objects.create(tenant=deleted, deleted=True)
    BillingCustomer.objects.create(tenant=deleted, name=LONG_NAME, deleted=True)
    for other in (make.make_address, make.make_lead, make.make_plan):
        other(deleted=True)
    for part in (make.make_contact, make.make_resource, make.make_config):
        part(deleted, deleted=True)
    make.make_subscription(cancel_at_period_end=True)
    lead = make.make_lead(company_name=LONG_NAME)
    make.make_key(lead)
    invoice = make.make_invoice(tenant)
    make.make_invoice(tenant, status=InvoiceStatus.DRAFT)
    event = Event.objects.create(type="TENANT_ACTIVATED", subject=tenant.id)
    run = ProvisioningRun.objects.earliest("created_on")
    made = [
        make.make_user(), Group.objects.get(name="Administrator"), make.make_address(address=None, city=None), lead,
        lead.keys.get(), tenant, make.make_contact(tenant, last_name=""), make.make_resource(tenant, metadata={}),
        make.make_config(tenant), Branding.objects.create(tenant=tenant), make.make_plan(),
        BillingCustomer.objects.create(tenant=tenant, name=LONG_NAME), make.make_subscription(tenant),
        record_credit(invoice.id, amount=None, reason="", actor=None), make.make_payment(invoice), invoice,
        NumberSeries.objects.earliest("pk"), run, event,
        Delivery.objects.create(
            event=event, subject=tenant.id, destination="bus:http", state=Delivery.State.DEAD, last_error=LONG_ERROR
        ),
        IdentitySetup.objects.create(tenant=tenant, provider="memory", tier="BASIC"),
        ReceivedCall.objects.create(run=run, path="/webhook", body_hash="0", body={}),
        RefusedCall.objects.create(tenant=tenant, reason="signature", minute=timezone.now()),
        LogEntry.objects.create(
            content_type=ContentType.objects.get_for_model(Tenant), object_pk=str(tenant.id), object_repr=LONG_NAME,
            action=LogEntry.Action.UPDATE,
        ),
    ]  # fmt: skip
    return {type(each): each for each in made}


def addresses() -> dict[str, str]:
    """Where every page is, by its name; whoever registers a page or adds an operation has it among them."""
    request = RequestFactory().get("/")
    request.user = User(is_superuser=True)
    found, bare = dict(ALONE), barest()
    for model, page in admin.site._registry.items():
        name, listed = model._meta.model_name, f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        found[f"{name}-list"], found[name] = listed, f"{listed}{bare[model].pk}/change/"
        if page.has_add_permission(request):
            found[f"{name}-add"] = f"{listed}add/"
        if page.has_delete_permission(request, bare[model]):
            found[f"{name}-delete"] = f"{listed}{bare[model].pk}/delete/"
        for exchange in ("import", "export"):
            if hasattr(page, f"{exchange}_action"):
                found[f"{name}-list-{exchange}"] = f"{listed}{exchange}/"
        for operation in operations(page):
            about = listed
            if operation.__name__ not in page.actions_list:
                about += f"{subject(operation, page.get_queryset(request))}/"
            found[f"{name}-{operation.url_path}"] = f"{about}{operation.url_path}/"
    return found


def operations(page: admin.ModelAdmin) -> list[Any]:
    methods = (getattr(type(page), name, None) for name in dir(page))
    return [each for each in methods if hasattr(each, "is_for") and each.url_path not in FILES]


def subject(operation: Any, objects: QuerySet) -> Any:
    """The key of one of the objects that the operation makes sense of."""
    return next(each.pk for each in objects if operation.when(each))
