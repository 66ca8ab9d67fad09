"""Every fact of the journey is an event that fits its published schema."""

import json
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from django.core.management import call_command
from django.utils import timezone

from provisioning.schemas import PROPERTIES
from tests.conftest import Caller, assert_error, call_back, call_users, report, users_body
from tests.make import (
    SUBSCRIPTION,
    make_address,
    make_contact,
    make_invoice,
    make_key,
    make_lead,
    make_plan,
    make_run,
    make_tenant,
    sign_up_body,
)

pytestmark = pytest.mark.django_db
INVOICE = {
    "startDate": "2026-01-01T00:00:00Z",
    "endDate": "2026-02-01T00:00:00Z",
    "dueDate": "2026-01-15T00:00:00Z",
    "amount": 120.5,
    "currencyCode": "EUR",
}


def test_the_schema_is_published_and_valid(anyone):
    schema = anyone.get("/events/schema.json").json()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert {each["title"] for each in schema["oneOf"]} == set(PROPERTIES)


def test_the_schema_in_the_docs_is_the_published_one(anyone):
    """Made by `curl $U/events/schema.json | python -m json.tool --indent 1 > docs/events.schema.json`."""
    assert json.loads(Path("docs/events.schema.json").read_text()) == anyone.get("/events/schema.json").json()
    table = Path("docs/events.md").read_text()
    assert [type for type in PROPERTIES if f"`{type}`" not in table] == []


def test_every_fact_of_the_journey_is_published_as_its_schema_says(anyone, staff, caller_for, relayed):
    def open_run(tenant):
        return tenant.runs.get(state=0)

    anyone.post("/leads", sign_up_body())
    lead = make_lead(email="ada@acme.example", address=make_address(), is_validated=False)
    Caller(make_key(lead)).post(f"/leads/{lead.id}/verify")
    id = caller_for(lead).post(f"/leads/{lead.id}/tenants", {"key": "acme", "domains": ["acme.example"]}).json()["id"]
    lead.refresh_from_db()
    tenant = lead.tenants.get()
    path = f"/tenants/{id}"
    for status in (0, 1):
        assert staff.post(f"{path}/provision", SUBSCRIPTION).status_code == 204
        relayed()
        staff.post(f"{path}/rotate-secret")
        relayed()
        call_users(open_run(tenant))
        call_back(open_run(tenant), report(open_run(tenant), status=status))
    staff.post(f"{path}/suspend")
    staff.post(f"{path}/resume")
    invoice = staff.post("/invoices", {**INVOICE, "tenantId": id}).json()
    staff.patch(f"/invoices/{invoice['id']}", {"status": "PAID"})
    staff.patch(f"/invoices/{invoice['id']}", {"status": "PAID"})
    staff.patch(f"/invoices/{invoice['id']}", {"status": "CANCELLED"})
    staff.post("/invoices", {**INVOICE, "tenantId": id})
    call_command("mark_overdue")
    plans = [str(make_plan().id), str(make_plan(price=99).id)]
    subscription = staff.post("/subscriptions", {"tenantId": id, "planId": plans[0]}).json()["id"]
    staff.post(f"/subscriptions/{subscription}/change-plan", {"planId": plans[1], "at": "now"})
    soon = timezone.now() + timedelta(days=3)
    assert staff.patch(f"/subscriptions/{subscription}", {"endDate": soon.isoformat()}).status_code == 204
    call_command("expire_subscriptions")
    for status in (0, 1):
        staff.post(f"{path}/deprovision")
        relayed()
        call_back(open_run(tenant), report(open_run(tenant), status=status))
    types = [message["type"] for message in relayed()]
    assert set(types) == set(PROPERTIES)
    assert types.count("INVOICE_PAID") == types.count("INVOICE_CREDITED") == types.count("INVOICE_OVERDUE") == 1
    assert types.count("INVOICE_ISSUED") == 4
    with_secret = {message["type"] for message in relayed() if "secret" in message}
    assert with_secret == {"TENANT_PROVISIONING", "TENANT_DEPROVISIONING", "TENANT_SECRET_ROTATED"}


def test_its_tenant_may_be_sent_to_manage_users_as_it_is_and_the_apis_too(staff, relayed):
    tenant = make_tenant(lead=make_lead())
    make_contact(tenant, is_primary=True)
    run = make_run(tenant)
    relations = {"include": ["contacts", "resources", "lead", "address"]}
    for whole in (relayed()[-1]["tenant"], staff.get(f"/tenants/{tenant.id}", filter=relations).json()):
        assert call_users(run, **whole).status_code == 200
        invented = [{**whole["contacts"][0], "role": "admin"}]
        error = assert_error(call_users(run, **{**whole, "contacts": invented}), 422)
        assert [detail["path"] for detail in error["details"]] == ["/tenant/contacts/0/role"]


def test_its_plan_may_be_sent_to_manage_users_as_it_is(staff, relayed):
    tenant = make_contact(make_tenant(), is_primary=True).tenant
    plan = {"id": "p-1", "name": "Premium", "tier": "premium", "sizeConfig": {"nodes": 3}, "regions": ["eu"]}
    staff.post(f"/tenants/{tenant.id}/provision", {**SUBSCRIPTION, "plan": plan})
    run = tenant.runs.get()
    body = json.loads(users_body(run))
    for sent, status in ((relayed()[-1]["subscription"]["plan"], 200), ({"name": "Premium"}, 422), ("PREMIUM", 422)):
        assert call_users(run, json.dumps({**body, "plan": sent}).encode()).status_code == status


def test_a_draft_is_issued_when_it_leaves_the_draft(staff, relayed):
    tenant = make_tenant()
    make_contact(tenant)
    id = staff.post("/invoices", {**INVOICE, "status": "DRAFT", "tenantId": str(tenant.id)}).json()["id"]
    assert relayed() == []
    staff.patch(f"/invoices/{id}", {"status": "PENDING"})
    assert [message["type"] for message in relayed()] == ["INVOICE_ISSUED"]


def test_a_bulk_payment_is_told_of_each_invoice_that_was_not_paid(staff, relayed):
    tenant = make_tenant()
    for status in ("PENDING", "PENDING", "PAID"):
        staff.post("/invoices", {**INVOICE, "status": status, "tenantId": str(tenant.id)})
    relayed().clear()
    assert staff.patch('/invoices?where={"currencyCode":"EUR"}', {"status": "PAID"}).json() == {"count": 3}
    assert [message["type"] for message in relayed()] == ["INVOICE_PAID"] * 2


def test_what_is_paid_after_a_purge_is_told_as_the_schema_says(staff, relayed):
    tenant = make_tenant()
    invoice = make_invoice(tenant)
    staff.delete(f"/tenants/{tenant.id}")
    call_command("purge_deleted", older_than=0, verbosity=0)
    assert staff.patch(f"/invoices/{invoice.id}", {"status": "PAID"}).status_code == 204
    (message,) = relayed()
    assert (message["type"], message["tenant"]["key"]) == ("INVOICE_PAID", "(erased)")
