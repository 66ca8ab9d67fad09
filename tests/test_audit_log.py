"""The audit log: what the back-office and the API's operations on a row did, with who, when and the difference."""

from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import Plan
from config.models import AuditedQuerySet
from identity.permissions import ALL_CODES
from identity.tokens import mint
from provisioning.models import Delivery
from tenants.models import TenantStatus
from tests.conftest import STAFF_ID, Caller, at_once, browser_of
from tests.make import (
    make_config,
    make_contact,
    make_invoice,
    make_lead,
    make_plan,
    make_run,
    make_subscription,
    make_tenant,
    make_user,
    sign_up_body,
)  # fmt: skip

pytestmark = pytest.mark.django_db
PLAN = {"name": "Basic", "tier": "BASIC", "price": 9, "currencyCode": "EUR"}


def page_of(obj) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])


def last_entry() -> LogEntry:
    return LogEntry.objects.order_by("-id").first()


def entries() -> list[LogEntry]:
    return list(LogEntry.objects.order_by("id"))


def said(entry: LogEntry) -> tuple[str, str]:
    return entry.additional_data["operation"], entry.additional_data["user"]


class TestTheBackOffice:
    def test_has_who_when_and_the_difference_of_what_is_saved_and_deleted(self, office):
        contact = make_contact()
        fields = {
            "first_name": "Grace", "last_name": "Lovelace", "email": "ada@acme.example", "tenant": contact.tenant_id,
        }  # fmt: skip
        office.post(page_of(contact), fields)
        entry = last_entry()
        assert entry.changes == {"first_name": ["Ada", "Grace"]}
        assert (str(entry.actor_id), entry.remote_addr) == (office.session["_auth_user_id"], "127.0.0.1")
        office.post(reverse("admin:tenants_contact_delete", args=[contact.id]), {"post": "yes"})
        assert last_entry().additional_data["operation"] == "delete"
        page = office.get(reverse("admin:tenants_contact_history", args=[contact.id]), follow=True)
        assert [each.additional_data["operation"] for each in page.context["cl"].queryset] == ["delete", "change"]

    def test_shows_no_configuration_and_no_password(self, office):
        config = make_config(config_value={"clientSecret": "hush-hush"})
        fields = {"config_key": "auth0", "config_value": '{"clientSecret": "hush-more"}', "tenant": config.tenant_id}
        assert office.post(page_of(config), fields).status_code == 302
        assert set(last_entry().changes) == {"config_key", "config_value"}
        user = make_user()
        change = reverse("admin:auth_user_password_change", args=[user.id])
        passwords = {"password1": "a very long one 9", "password2": "a very long one 9", "usable_password": "true"}
        office.post(change, passwords)
        assert "password" in last_entry().changes
        said = str([entry.changes for entry in LogEntry.objects.all()])
        for secret in ("hush", "pbkdf2", "argon2"):
            assert secret not in said
        assert office.get(reverse("admin:auditlog_logentry_changelist")).status_code == 200
        assert office.get(page_of(last_entry())).status_code == 200

    def test_has_the_roles_that_somebody_is_given_and_the_permissions_of_a_role(self, office):
        role = Group.objects.create(name="Reader")
        user = make_user()
        fields = {"username": user.username, "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
        assert office.post(page_of(user), {**fields, "groups": [role.pk]}).status_code == 302
        assert last_entry().changes["groups"] == ["", "Reader"]
        permission = Permission.objects.get(codename="view_tenant")
        page = reverse("admin:auth_group_change", args=[role.pk])
        assert office.post(page, {"name": "Reader", "permissions": [permission.pk]}).status_code == 302
        assert last_entry().changes == {"permissions": ["", str(permission)]}

    def test_has_a_password_that_was_set_for_somebody_and_nothing_beside_it(self, office):
        passwords = {"password1": "a very long one 9", "password2": "a very long one 9", "usable_password": "true"}
        office.post(reverse("admin:auth_user_password_change", args=[make_user().id]), passwords)
        entry = last_entry()
        assert (entry.action, entry.changes) == (LogEntry.Action.UPDATE, {"password": ["•••", "•••"]})

    def test_has_a_password_of_ones_own_when_it_was_changed(self, office):
        page = reverse("admin:password_change")
        fields = {"old_password": "wrong", "new_password1": "a very long one 9", "new_password2": "a very long one 9"}
        assert office.post(page, fields).status_code == 200
        assert not LogEntry.objects.exists()
        assert office.post(page, {**fields, "old_password": "correct horse"}).status_code == 302
        entry = last_entry()
        assert entry.additional_data["operation"] == "change_password"
        assert entry.changes == {"password": ["•••", "•••"]}
        assert "Change password" in office.get(page_of(entry)).content.decode()

    def test_tells_who_it_was_when_the_user_is_deleted(self, office):
        mallory = make_user(username="mallory", is_staff=True, is_superuser=True)
        browser_of(mallory).post(reverse("admin:tenants_contact_delete", args=[make_contact().id]), {"post": "yes"})
        entry = last_entry()
        pages = (reverse("admin:auditlog_logentry_changelist"), page_of(entry))
        assert all(page_of(mallory) in office.get(page).content.decode() for page in pages)
        mallory.delete()
        assert all("mallory" in office.get(page).content.decode() for page in pages)

    def test_has_what_was_done_to_chosen_deliveries_and_not_what_was_not(self, office):
        make_run(), make_run()
        Delivery.objects.update(state=Delivery.State.DELIVERED)
        dead = Delivery.objects.first()
        Delivery.objects.filter(id=dead.id).update(state=Delivery.State.DEAD)
        chosen = {
            "action": "cancel_selected",
            "confirm": "yes",
            "_selected_action": [each.id for each in Delivery.objects.all()],
        }
        office.post(reverse("admin:provisioning_delivery_changelist"), chosen)
        assert [entry.object_pk for entry in LogEntry.objects.all()] == [str(dead.id)]

    @pytest.mark.django_db(transaction=True)
    def test_has_what_several_do_at_once_a_single_time(self):
        user = make_user(is_staff=True, is_superuser=True)
        browsers = [browser_of(user) for _ in range(3)]
        tenant, other = make_tenant(deleted=True), make_tenant(deleted=True)
        at_once(3, lambda number: browsers[number].post(reverse("admin:tenants_tenant_restore", args=[tenant.id])))
        chosen = {"action": "restore_selected", "_selected_action": [str(other.id)]}
        listed = reverse("admin:tenants_tenant_changelist") + "?deleted=all"
        at_once(3, lambda number: browsers[number].post(listed, chosen))
        assert sorted(entry.object_pk for entry in LogEntry.objects.all()) == sorted([str(tenant.id), str(other.id)])
        LogEntry.objects.all().delete()
        deleting = reverse("admin:tenants_tenant_delete", args=[tenant.id])
        at_once(3, lambda number: browsers[number].post(deleting, {"post": "yes"}))
        chosen = {"action": "delete_selected", "_selected_action": [str(other.id)], "post": "yes"}
        at_once(3, lambda number: browsers[number].post(listed, chosen))
        assert sorted(entry.object_pk for entry in LogEntry.objects.all()) == sorted([str(tenant.id), str(other.id)])

    def test_says_of_no_row_that_it_was_deleted_where_the_deletion_fails(self, office, monkeypatch):
        monkeypatch.setattr(AuditedQuerySet, "soft_delete", lambda *_, **__: 1 / 0)
        chosen = {"action": "delete_selected", "_selected_action": [str(make_contact().id)], "post": "yes"}
        with pytest.raises(ZeroDivisionError):
            office.post(reverse("admin:tenants_contact_changelist"), chosen)
        assert not LogEntry.objects.exists()

    def test_is_not_paid_for_by_a_sign_up_nor_by_what_the_timeline_tells(self, anyone, staff, caller_for):
        anyone.post("/leads", sign_up_body())
        lead = make_lead(email="ada@acme.example")
        body = {"key": "acme", "domains": ["acme.example"]}
        assert caller_for(lead).post(f"/leads/{lead.id}/tenants", body).status_code == 200
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        assert staff.post(f"/tenants/{tenant.id}/suspend").status_code == 204
        assert not LogEntry.objects.exists()


class TestTheApi:
    def test_a_change_has_its_difference_and_the_member_of_staff_whose_token_it_was(self, client):
        ada = make_user(username="ada", is_staff=True, is_superuser=True)
        caller = Caller(mint(subject=str(ada.pk), permissions=ALL_CODES, lifetime=timedelta(minutes=5)))
        plan = make_plan(price=49)
        assert caller.patch(f"/plans/{plan.id}", {"price": 59.5}).status_code == 204
        (entry,) = entries()
        assert entry.action == LogEntry.Action.UPDATE
        assert set(entry.changes) == {"price"}
        assert [float(price) for price in entry.changes["price"]] == [49, 59.5]
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

    def test_what_a_token_of_elsewhere_makes_replaces_and_deletes_is_that_of_its_id(self, staff):
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

    def test_each_of_many_that_are_changed_at_once_has_a_line(self, staff):
        tenants = [make_tenant(name=name) for name in ("Old", "Older", "New")]
        answer = staff.patch('/tenants?where={"name":{"neq":"x"}}', {"name": "New"})
        assert answer.json() == {"count": len(tenants)}
        assert {each.object_pk: each.changes for each in entries()} == {
            str(tenants[0].id): {"name": ["Old", "New"]},
            str(tenants[1].id): {"name": ["Older", "New"]},
        }
        assert {said(each) for each in entries()} == {("PATCH /tenants", STAFF_ID)}
        assert all(each.object_repr.startswith("New (") for each in entries())

    def test_of_many_invoices_that_are_cancelled_at_once_too(self, staff):
        tenant = make_tenant()
        invoices = {str(make_invoice(tenant).id) for _ in range(2)}
        where = f'{{"tenantId":"{tenant.id}"}}'
        assert staff.patch(f"/invoices?where={where}", {"status": 2}).json() == {"count": 2}
        assert {each.object_pk for each in entries()} == invoices
        assert {tuple(each.changes["status"]) for each in entries()} == {("0", "2")}

    def test_amounts_of_many_are_said_with_their_currency(self, staff, office):
        make_plan(name="Small", price=9)
        assert staff.patch('/plans?where={"name":"Small"}', {"price": 28.5, "currencyCode": "EUR"}).json() == {
            "count": 1
        }
        (entry,) = entries()
        shown = office.get(page_of(entry)).content.decode()
        assert "9.00 EUR" in shown  # what it was; the new price is in the name of the page, too

    def test_what_many_lose_is_in_it(self, staff):
        make_plan(description="Small")
        assert staff.patch('/plans?where={"description":"Small"}', {"description": None}).json() == {"count": 1}
        (entry,) = entries()
        assert entry.changes == {"description": ["Small", "None"]}

    def test_many_take_as_many_statements_as_a_few(self, staff):
        def rename(count: int) -> int:
            for _ in range(count):
                make_tenant(name="Old")
            with CaptureQueriesContext(connection) as asked:
                assert staff.patch('/tenants?where={"name":"Old"}', {"name": "New"}).json() == {"count": count}
            return len(asked)

        rename(1)  # and look the type of content up
        assert rename(3) == rename(30)

    def test_what_changes_nothing_or_is_refused_is_not_in_it(self, staff):
        plan = make_plan(name="Basic")
        assert staff.patch(f"/plans/{plan.id}", {"name": "Basic"}).status_code == 204
        assert staff.patch(f"/plans/{plan.id}", {"price": -1}).status_code == 422
        assert staff.delete(f"/invoices/{make_invoice().id}").status_code == 409
        assert staff.delete(f"/plans/{make_tenant().id}").status_code == 404
        assert entries() == []

    def test_a_plan_and_an_end_of_a_subscription_and_an_invoice_that_is_cancelled_are_in_it(self, staff):
        subscription = make_subscription()
        other = make_plan(price=99)
        assert staff.post(f"/subscriptions/{subscription.id}/change-plan", {"planId": str(other.id)}).status_code == 200
        assert staff.patch(f"/subscriptions/{subscription.id}", {"cancelAtPeriodEnd": True}).status_code == 204
        assert staff.patch(f"/invoices/{make_invoice().id}", {"status": 2}).status_code == 204
        moved, ended, cancelled = entries()
        assert moved.changes["next_plan"] == ["None", str(other.id)]
        assert ended.changes["cancel_at_period_end"] == ["False", "True"]
        assert cancelled.changes["status"][1] == "2"

    def test_no_configuration_is_in_it(self, staff):
        config = make_config(config_value={"clientSecret": "hush-hush"})
        assert (
            staff.patch(f"/tenant-configs/{config.id}", {"configValue": {"clientSecret": "hush-more"}}).status_code
            == 204
        )
        where = f'/tenant-configs?where={{"id":"{config.id}"}}'
        assert staff.patch(where, {"configValue": {"clientSecret": "hush-most"}}).status_code == 200
        assert [each.changes for each in entries()] == [{"config_value": ["•••", "•••"]}] * 2

    def test_what_a_customer_writes_is_in_it_under_its_id_and_without_its_address(self, caller_for):
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
    def test_each_of_two_at_once_has_its_own_difference(self, staff):
        plan = make_plan(name="0", description="0")
        for round in range(1, 11):
            at_once(2, lambda number, round=round: staff.patch(
                f"/plans/{plan.id}", {("name", "description")[number]: str(round)}
            ))  # fmt: skip
        assert Plan.objects.values_list("name", "description").get() == ("10", "10")
        assert sorted(len(each.changes) for each in entries()) == [1] * 20
