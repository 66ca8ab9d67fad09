"""The one place that makes objects for the tests: `make_x(**kwargs)` gives a valid one."""

import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.models import Invoice, Plan
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


def make_invoice(tenant: Tenant | None = None, **values: Any) -> Invoice:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    defaults = {
        "start_date": start, "end_date": start + timedelta(days=31), "due_date": start + timedelta(days=14),
        "amount": Decimal("120.50"), "currency_code": "EUR",
    }  # fmt: skip
    return Invoice.objects.create(tenant=tenant or make_tenant(), **{**defaults, **values})


def make_run(tenant: Tenant | None = None, *, deprovision: bool = False) -> ProvisioningRun:
    """A tenant's open run, begun as the API begins it."""
    tenant = tenant or make_tenant(status=TenantStatus.ACTIVE if deprovision else TenantStatus.PENDINGPROVISION)
    if deprovision:
        request_deprovisioning(tenant_id=tenant.id, actor=None)
    else:
        request_provisioning(tenant_id=tenant.id, subscription=SUBSCRIPTION, actor=None)
    return tenant.runs.get(state=ProvisioningRun.State.OPEN)


def make_user(**values: Any) -> User:
    number = next(_numbers)
    return User.objects.create_user(**{"username": f"user{number}", "password": "correct horse", **values})
