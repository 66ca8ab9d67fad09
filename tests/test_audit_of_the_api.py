"""What is changed by the API's operations on a row is in the audit log, with who, when and the difference."""

from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import Plan
from identity.permissions import ALL_CODES
from identity.tokens import mint
from tests.conftest import STAFF_ID, Caller, at_once
from tests.make import (
    make_config,
    make_invoice,
    make_lead,
    make_plan,
    make_subscription,
    make_tenant,
    make_user,
)

pytestmark = pytest.mark.django_db
PLAN = {"name": "Basic", "tier": "BASIC", "price": 9, "currencyCode": "EUR"}


def entries() -> list[LogEntry]:
    return list(LogEntry.objects.order_by("id"))


def said(entry: LogEntry) -> tuple[str, str]:
    return entry.additional_data["operation"], entry.additional_data["user"]


def test_a_change_has_its_difference_and_the_member_of_staff_whose_token_it_was(client):
    ada = make_user(username="ada", is_staff=True, is_superuser=True)
    caller = Caller(mint(subject=str(ada.pk), permissions=ALL_CODES, lifetime=timedelta(minutes=5)))
    plan = make_plan(price=49)
    assert caller.patch(f"/plans/{plan.id}", {"price": 59.5}).status_code == 204
    (entry,) = entries()
    assert entry.action == LogEntry.Action.UPDATE
    assert {name: [float(value) for value in values] for name, values in entry.changes.items()} == {"price": [49, 59.5]}
    assert (entry.actor, entry.remote_addr, entry.object_pk) == (ada, "127.0.0.1", str(plan.id))
    assert said(entry) == ("PATCH /plans/{id}", "ada")
    client.force_login(ada)
    for page in (
        reverse("admin:auditlog_logentry_changelist"),
        reverse("admin:auditlog_logentry_change", args=[entry.pk]),
    ):
        shown = client.get(page).content.decode()
        assert "PATCH /plans/{id}" in shown
        assert ">ada<" in shown


def test_what_a_token_of_elsewhere_makes_replaces_and_deletes_is_that_of_its_id(staff):
    made = staff.post("/plans", PLAN).json()["id"]
    assert staff.put(f"/plans/{made}", {**PLAN, "name": "Small"}).status_code == 204
    assert staff.delete(f"/plans/{made}").status_code == 204
    create, change, delete = entries()
    assert [said(each) for each in (create, change, delete)] == [
        ("POST /plans", STAFF_ID), ("PUT /plans/{id}", STAFF_ID), ("DELETE /plans/{id}", STAFF_ID),
    ]  # fmt: skip
    assert (create.action, create.changes["name"]) == (LogEntry.Action.CREATE, ["", "Basic"])
    assert change.changes["name"] == ["Basic", "Small"]
    assert delete.changes["deleted"] == ["False", "True"]
    assert {each.object_pk for each in (create, change, delete)} == {made}
    assert {each.actor for each in (create, change, delete)} == {None}


def test_each_of_many_that_are_changed_at_once_has_a_line(staff):
    tenants = [make_tenant(name=name) for name in ("Old", "Older", "New")]
    answer = staff.patch('/tenants?where={"name":{"neq":"x"}}', {"name": "New"})
    assert answer.json() == {"count": len(tenants)}
    assert {each.object_pk: each.changes for each in entries()} == {
        str(tenants[0].id): {"name": ["Old", "New"]},
        str(tenants[1].id): {"name": ["Older", "New"]},
    }
    assert {said(each) for each in entries()} == {("PATCH /tenants", STAFF_ID)}
    assert all(each.object_repr.startswith("New (") for each in entries())


def test_of_many_invoices_that_are_cancelled_at_once_too(staff):
    tenant = make_tenant()
    invoices = {str(make_invoice(tenant).id) for _ in range(2)}
    where = f'{{"tenantId":"{tenant.id}"}}'
    assert staff.patch(f"/invoices?where={where}", {"status": 2}).json() == {"count": 2}
    assert {each.object_pk for each in entries()} == invoices
    assert {tuple(each.changes["status"]) for each in entries()} == {("0", "2")}


def test_what_many_lose_is_in_it(staff):
    make_plan(description="Small")
    assert staff.patch('/plans?where={"description":"Small"}', {"description": None}).json() == {"count": 1}
    (entry,) = entries()
    assert entry.changes == {"description": ["Small", "None"]}


def test_many_take_as_many_statements_as_a_few(staff, django_assert_num_queries):
    for _ in range(3):
        make_tenant(name="Old")
    with CaptureQueriesContext(connection) as few:
        staff.patch('/tenants?where={"name":"Old"}', {"name": "New"})
    for _ in range(30):
        make_tenant(name="Old")
    with django_assert_num_queries(len(few)):
        staff.patch('/tenants?where={"name":"Old"}', {"name": "Newer"})


def test_what_changes_nothing_or_is_refused_is_not_in_it(staff):
    plan = make_plan(name="Basic")
    assert staff.patch(f"/plans/{plan.id}", {"name": "Basic"}).status_code == 204
    assert staff.patch(f"/plans/{plan.id}", {"price": -1}).status_code == 422
    assert staff.delete(f"/invoices/{make_invoice().id}").status_code == 409
    assert staff.delete(f"/plans/{make_tenant().id}").status_code == 404
    assert entries() == []


def test_a_plan_and_an_end_of_a_subscription_and_an_invoice_that_is_cancelled_are_in_it(staff):
    subscription = make_subscription()
    other = make_plan(price=99)
    assert staff.post(f"/subscriptions/{subscription.id}/change-plan", {"planId": str(other.id)}).status_code == 200
    assert staff.patch(f"/subscriptions/{subscription.id}", {"cancelAtPeriodEnd": True}).status_code == 204
    assert staff.patch(f"/invoices/{make_invoice().id}", {"status": 2}).status_code == 204
    moved, ended, cancelled = entries()
    assert moved.changes["next_plan"] == ["None", str(other.id)]
    assert ended.changes["cancel_at_period_end"] == ["False", "True"]
    assert cancelled.changes["status"][1] == "2"


def test_no_configuration_is_in_it(staff):
    config = make_config(config_value={"clientSecret": "hush-hush"})
    assert (
        staff.patch(f"/tenant-configs/{config.id}", {"configValue": {"clientSecret": "hush-more"}}).status_code == 204
    )
    where = f'/tenant-configs?where={{"id":"{config.id}"}}'
    assert staff.patch(where, {"configValue": {"clientSecret": "hush-most"}}).status_code == 200
    assert [each.changes for each in entries()] == [{"config_value": ["•••", "•••"]}] * 2


def test_what_a_customer_writes_is_in_it_under_its_id_and_without_its_address(caller_for):
    lead = make_lead()
    config = make_config(make_tenant(lead=lead), config_key="theme")
    assert caller_for(lead).patch(f"/tenant-configs/{config.id}", {"configKey": "look"}).status_code == 204
    (entry,) = entries()
    assert entry.remote_addr is None
    assert (said(entry), entry.changes) == (
        ("PATCH /tenant-configs/{id}", str(lead.id)),
        {"config_key": ["theme", "look"]},
    )


@pytest.mark.django_db(transaction=True)
def test_each_of_two_at_once_has_its_own_difference(staff):
    plan = make_plan(name="0", description="0")
    for round in range(1, 11):
        at_once(2, lambda number, round=round: staff.patch(
            f"/plans/{plan.id}", {("name", "description")[number]: str(round)}
        ))  # fmt: skip
    assert Plan.objects.values_list("name", "description").get() == ("10", "10")
    assert sorted(len(each.changes) for each in entries()) == [1] * 20
