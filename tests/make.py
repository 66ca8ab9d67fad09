"""The one place that makes objects for the tests: `make_x(**kwargs)` gives a valid one."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from billing import terms
from billing.invoicing import put_lines
from billing.models import Invoice, InvoiceStatus, Payment, Plan, Subscription, SubscriptionStatus
from billing.parties import buyers, seller
from billing.periods import local_date
from billing.totals import Line
from identity.models import User
from leads.models import Address, Lead
from leads.verification import issue_key
from provisioning.models import ProvisioningRun
from provisioning.requests import request_deprovisioning, request_provisioning
from tenants.models import Contact, Resource, Tenant, TenantConfig, TenantStatus

_numbers = itertools.count(1)
SUBSCRIPTION = {"id": "subscription-1", "plan": {"tier": "PREMIUM"}}


def sign_up_body(**values: Any) -> dict[str, Any]:
    """The body of POST /leads, of a person never seen before."""
    number = next(_numbers)
    return {
        "firstName": "Ada", "lastName": "Lovelace", "companyName": "Acme Ltd", "email": f"ada@acme{number}.example",
        **values,
    }  # fmt: skip


def make_address(**values: Any) -> Address:
    return Address.objects.create(**{"address": "1 High St", "city": "London", "country": "GB", **values})


def make_lead(**values: Any) -> Lead:
    number = next(_numbers)
    defaults = {
        "first_name": "Ada", "last_name": "Lovelace", "company_name": "Acme Ltd", "is_validated": True,
        "email": f"ada@acme{number}.example",
    }  # fmt: skip
    return Lead.objects.create(**{**defaults, **values})


def make_key(lead: Lead) -> str:
    return issue_key(lead)


def make_tenant(**values: Any) -> Tenant:
    number = next(_numbers)
    defaults = {"name": "Acme Ltd", "key": f"acme{number}", "domains": [f"acme{number}.example"]}
    return Tenant.objects.create(**{**defaults, **values})


def make_contact(tenant: Tenant | None = None, **values: Any) -> Contact:
    defaults = {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@acme.example"}
    return Contact.objects.create(tenant=tenant or make_tenant(), **{**defaults, **values})


def make_resource(tenant: Tenant, **values: Any) -> Resource:
    defaults = {"type": "s3", "metadata": {"bucket": "b"}, "external_identifier": f"bucket-{next(_numbers)}"}
    return Resource.objects.create(tenant=tenant, **{**defaults, **values})


def make_config(tenant: Tenant | None = None, **values: Any) -> TenantConfig:
    defaults = {"config_key": f"key-{next(_numbers)}", "config_value": {"colour": "teal"}}
    return TenantConfig.objects.create(tenant=tenant or make_tenant(), **{**defaults, **values})


def make_plan(**values: Any) -> Plan:
    defaults = {"name": "Standard", "tier": "STANDARD", "price": Decimal(49), "currency_code": "EUR"}
    return Plan.objects.create(**{**defaults, **values})


def make_invoice(tenant: Tenant | None = None, *, lines: Sequence[Line] = (), **values: Any) -> Invoice:
    """An issued invoice of which nobody was told, or a draft."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    defaults = {
        "start_date": start, "end_date": start + timedelta(days=31), "due_date": start + timedelta(days=14),
        "currency_code": "EUR",
    }  # fmt: skip
    invoice = Invoice(tenant=tenant or make_tenant(), **{**defaults, **values})
    put_lines(invoice, lines or [Line("Services", Decimal("120.50"))])
    if invoice.status != InvoiceStatus.DRAFT:
        invoice.number, invoice.issued_on = f"T-{next(_numbers)}", timezone.now()
        invoice.seller, invoice.buyer = seller(), buyers([invoice.tenant])[invoice.tenant_id]
    invoice.save(force_insert=True)
    return invoice


def make_subscription(tenant: Tenant | None = None, plan: Plan | None = None, **values: Any) -> Subscription:
    """An active subscription of which nothing is invoiced yet."""
    plan = plan or make_plan()
    start = values.pop("start_date", datetime(2026, 1, 31, tzinfo=UTC))
    day = local_date(start)
    defaults = {
        "status": SubscriptionStatus.ACTIVE, "start_date": start, "next_invoice_on": day, "anchor_day": day.day,
    }  # fmt: skip
    tenant = tenant or make_tenant(status=TenantStatus.ACTIVE)
    subscription = Subscription(tenant=tenant)
    subscription.take_terms_of(plan)
    for name, value in {**defaults, **values}.items():
        setattr(subscription, name, value)
    subscription.save(force_insert=True)
    terms.keep([subscription])
    return subscription


def make_run(tenant: Tenant | None = None, *, deprovision: bool = False, tier: str = "PREMIUM") -> ProvisioningRun:
    """A tenant's open run, begun as the API begins it."""
    tenant = tenant or make_tenant(status=TenantStatus.ACTIVE if deprovision else TenantStatus.PENDINGPROVISION)
    if deprovision:
        request_deprovisioning(tenant_id=tenant.id, actor=None)
    else:
        subscription = {**SUBSCRIPTION, "plan": {"tier": tier}}
        request_provisioning(tenant_id=tenant.id, subscription=subscription, actor=None)
    return tenant.runs.get(state=ProvisioningRun.State.OPEN)


def make_user(**values: Any) -> User:
    number = next(_numbers)
    return User.objects.create_user(**{"username": f"user{number}", "password": "correct horse", **values})


def make_payment(invoice: Invoice, **values: Any) -> Payment:
    """A payment that changes nothing in its invoice."""
    return Payment.objects.create(invoice=invoice, **{"amount": Decimal("120.50"), "method": "transfer", **values})
