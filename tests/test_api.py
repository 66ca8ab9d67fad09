"""The operations on the models, who may use them, and the tokens of staff."""

import time
import uuid
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.db import transaction

from identity.permissions import ALL_CODES, VIEW_TENANT
from identity.tokens import mint
from tenants.models import Contact, Tenant
from tests.conftest import STAFF_ID, Caller, assert_error, at_once, caller_with  # noqa: F401  (a fixture)
from tests.make import (
    SUBSCRIPTION,
    make_config,
    make_contact,
    make_invoice,
    make_lead,
    make_plan,
    make_tenant,
    make_user,
)

pytestmark = pytest.mark.django_db
MAKERS = {"contacts": make_contact, "invoices": make_invoice, "tenant-configs": make_config, "tenants": make_tenant}
INVOICE = {
    "startDate": "2026-01-01T00:00:00Z",
    "endDate": "2026-02-01T00:00:00Z",
    "dueDate": "2026-01-15T00:00:00Z",
    "amount": 120.5,
    "currencyCode": "EUR",
}
BODIES = {
    "contacts": {"firstName": "Ada", "lastName": "L", "email": "ada@acme.example", "type": "it", "isPrimary": True},
    "invoices": {**INVOICE, "status": "DRAFT"},
    "tenant-configs": {"configKey": "theme", "configValue": {"colour": "teal"}},
}
CHANGES = {
    "contacts": {"firstName": "Bob"},
    "invoices": {"dueDate": "2026-01-20T00:00:00Z"},
    "tenant-configs": {"configValue": {}},
    "tenants": {"name": "New"},
}


@pytest.mark.parametrize("name", BODIES)
def test_create_read_change_replace_and_delete(staff, name):
    tenant = make_tenant()
    answer = staff.post(f"/{name}", {**BODIES[name], "tenantId": str(tenant.id)})
    assert answer.status_code == 200, answer.content
    made = answer.json()
    path = f"/{name}/{made['id']}"
    assert made["createdBy"] == made["modifiedBy"] == STAFF_ID
    assert staff.get(path).json() == made
    assert staff.patch(path, CHANGES[name]).status_code == 204
    changed = staff.get(path).json()
    assert {key for key in made if made[key] != changed[key]} == {*CHANGES[name], "modifiedOn"}
    assert datetime.fromisoformat(changed["modifiedOn"]) > datetime.fromisoformat(made["modifiedOn"])
    assert staff.put(path, {**BODIES[name], "tenantId": str(tenant.id)}).status_code == 204
    assert {key for key, value in staff.get(path).json().items() if value != made[key]} == {"modifiedOn"}
    assert staff.delete(path).status_code == 204
    assert_error(staff.get(path), 404)


def test_put_resets_what_need_not_be_sent_and_nothing_else(staff):
    tenant = make_tenant(lead=make_lead(), spoc_user_id=STAFF_ID, status=0)
    before = staff.get(f"/tenants/{tenant.id}").json()
    assert staff.put(f"/tenants/{tenant.id}", {"name": "New", "key": "new"}).status_code == 204
    after = staff.get(f"/tenants/{tenant.id}").json()
    changed = {name: after[name] for name in after if after[name] != before[name]}
    assert set(changed) == {"name", "key", "spocUserId", "domains", "modifiedOn", "modifiedBy"}
    assert (changed["spocUserId"], changed["domains"]) == (None, [])
    assert_error(staff.put(f"/tenants/{tenant.id}", {"name": "New"}), 422)


def test_what_was_read_may_be_sent_back_with_a_change(staff):
    path = f"/tenants/{make_tenant(lead=make_lead()).id}"
    read = staff.get(path).json()
    assert staff.put(path, {**read, "name": "New"}).status_code == 204
    assert staff.get(path).json()["name"] == "New"
    assert_error(staff.put(path, {**read, "createdOn": "2020-01-01T00:00:00Z"}), 422)


def test_amounts_are_numbers_and_statuses_have_names(staff):
    body = {**INVOICE, "amount": 0.1, "tenantId": str(make_tenant().id)}
    answer = staff.post("/invoices", body).json()
    assert (answer["amount"], answer["status"]) == (0.1, 0)
    for status, number in (("PAID", 1), ("cancelled", 2), (2, 2)):
        assert staff.patch(f"/invoices/{answer['id']}", {"status": status}).status_code == 204
        assert staff.get(f"/invoices/{answer['id']}").json()["status"] == number


def test_what_is_taken_is_a_conflict(staff):
    tenant = make_tenant(key="acme")
    contact = {**BODIES["contacts"], "tenantId": str(tenant.id)}
    config = {**BODIES["tenant-configs"], "tenantId": str(tenant.id)}
    assert staff.post("/contacts", contact).status_code == staff.post("/tenant-configs", config).status_code == 200
    assert_error(staff.post("/contacts", contact), 409, code="primary_contact_exists")
    assert_error(staff.post("/tenant-configs", config), 409, code="config_key_taken")
    other = make_tenant()
    assert_error(staff.patch(f"/tenants/{other.id}", {"key": "acme"}), 409, code="key_taken")
    make_tenant()
    assert_error(staff.patch('/tenants?where={"status":1}', {"key": "same"}), 409, code="key_taken")
    assert Tenant.objects.filter(key="same").count() == 0


def test_changing_many_tenants_and_their_invoices_at_once_do_not_wait_for_each_other(staff, transactional_db):
    tenants = [make_tenant(id=uuid.UUID(int=number)) for number in (2**127, 1)]  # not in the order of locks
    for tenant in tenants:
        make_invoice(tenant)

    def act(number):
        if number == 0:
            with transaction.atomic():
                Tenant.objects.select_for_update().get(id=tenants[0].id)
                time.sleep(2)
            return 200
        time.sleep(number * 0.5)
        path, change = [("/tenants", {"name": "Acme plc"}), ("/invoices", {"status": "PAID"})][number - 1]
        return staff.patch(path + '?where={"id":{"neq":"' + str(uuid.uuid4()) + '"}}', change).status_code

    assert at_once(3, act) == [200, 200, 200]


def test_the_tenant_of_a_configuration(staff):
    config = make_config()
    assert staff.get(f"/tenant-configs/{config.id}/tenant").json()["id"] == str(config.tenant_id)


RIGHTS = [
    ("GET", "/leads", "10203"), ("GET", "/leads/count", "10203"), ("GET", "/leads/{lead}", "10203"),
    ("POST", "/tenants", "10204"), ("GET", "/tenants", "10207"), ("GET", "/tenants/count", "10207"),
    ("GET", "/tenants/{tenants}", "10207"), ("PATCH", "/tenants?where={{\"status\":1}}", "10205"),
    ("PATCH", "/tenants/{tenants}", "10205"), ("PUT", "/tenants/{tenants}", "10205"),
    ("DELETE", "/tenants/{tenants}", "10206"), ("POST", "/tenants/{tenants}/provision", "10216"),
    ("POST", "/tenants/{tenants}/deprovision", "10206"), ("POST", "/tenants/{tenants}/suspend", "10205"),
    ("POST", "/tenants/{tenants}/resume", "10205"), ("GET", "/tenant-configs/{tenant-configs}/tenant", "10221"),
    *[
        (method, path.format(name, name="{" + name + "}"), code)
        for name, (create, update, delete, view) in {
            "contacts": ("10208", "10209", "10210", "10211"), "invoices": ("10212", "10213", "10214", "10215"),
            "tenant-configs": ("10220", "10222", "10223", "10221"),
        }.items()
        for method, path, code in (
            ("POST", "/{0}", create), ("GET", "/{0}", view), ("GET", "/{0}/count", view), ("GET", "/{0}/{name}", view),
            ("PATCH", "/{0}?where={{{{\"deleted\":false}}}}", update), ("PATCH", "/{0}/{name}", update),
            ("PUT", "/{0}/{name}", update), ("DELETE", "/{0}/{name}", delete),
        )
    ],
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "code"), RIGHTS, ids=lambda value: str(value))
def test_an_operation_needs_its_code_and_no_other(caller_with, method, path, code):  # noqa: F811  (likewise)
    ids = {name: make().id for name, make in MAKERS.items()} | {"lead": make_lead().id}
    path = path.format(**ids)
    body = SUBSCRIPTION if path.endswith("provision") else {} if method in ("POST", "PUT", "PATCH") else None
    refused = Caller().request(method, path, body)
    assert_error(refused, 401)
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert_error(caller_with(*(ALL_CODES - {code})).request(method, path, body), 403)
    assert caller_with(code).request(method, path, body).status_code not in (401, 403, 404, 405, 500)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/tenants/count"), ("DELETE", "/tenants"), ("GET", "/webhook"), ("PUT", "/contacts")]
)
def test_a_method_that_does_not_exist_is_not_allowed(anyone, method, path):
    assert "Allow" in anyone.request(method, path).headers
    assert_error(anyone.request(method, path), 405)


class TestStaffTokens:
    @pytest.fixture
    def user(self):
        group = Group.objects.create(name="Viewers")
        group.permissions.set(Permission.objects.filter(codename__in=["view_tenant", "provision_tenant"]))
        user = make_user(username="ada", password="correct horse")
        user.groups.add(group)
        return user

    def log_in(self, **credentials):
        return Caller().post("/auth/token", {"username": "ada", "password": "correct horse", **credentials})

    def test_carry_the_codes_of_the_users_groups(self, user):
        pair = self.log_in().json()
        caller = Caller(pair["access"])
        assert caller.get("/tenants").status_code == 200
        assert_error(caller.get("/leads"), 403)
        tenant = make_tenant()
        assert caller.post(f"/tenants/{tenant.id}/provision", SUBSCRIPTION).status_code == 204
        tenant.refresh_from_db()
        assert tenant.modified_by == user.id

    def test_are_refused_for_a_wrong_password_and_to_who_has_left(self, user):
        answer = self.log_in(password="wrong")
        assert_error(answer, 401)
        assert "WWW-Authenticate" in answer.headers
        assert_error(self.log_in(username="nobody"), 401)
        user.is_active = False
        user.save()
        assert_error(self.log_in(), 401)

    def test_are_refreshed_once_with_the_permissions_of_now(self, user):
        first = self.log_in().json()
        user.groups.clear()
        second = Caller().post("/auth/token/refresh", {"refresh": first["refresh"]})
        assert_error(Caller(second.json()["access"]).get("/tenants"), 403)
        assert_error(Caller().post("/auth/token/refresh", {"refresh": first["refresh"]}), 401)
        user.is_active = False
        user.save()
        assert_error(Caller().post("/auth/token/refresh", {"refresh": second.json()["refresh"]}), 401)

    def test_can_be_revoked(self, user):
        pair = self.log_in().json()
        assert Caller().post("/auth/token/revoke", {"refresh": pair["refresh"]}).status_code == 204
        assert_error(Caller().post("/auth/token/refresh", {"refresh": pair["refresh"]}), 401)
        for wrong in ("x", pair["access"]):
            assert_error(Caller().post("/auth/token/revoke", {"refresh": wrong}), 401)

    def test_of_a_superuser_carry_every_code(self):
        make_user(username="ada", is_superuser=True)
        assert Caller(self.log_in().json()["access"]).get("/invoices").status_code == 200

    def test_cannot_be_guessed_at_will(self, user, settings):
        settings.AUTH_MAX_ATTEMPTS = 3
        assert [self.log_in(password=str(n)).status_code for n in range(4)] == [401, 401, 401, 429]


def test_issue_token_gives_a_service_just_the_codes_it_names(capsys):
    call_command("issue_token", "--permissions", "10207", "--days", "1")
    caller = Caller(capsys.readouterr().out.strip())
    assert caller.get("/tenants").status_code == 200
    assert_error(caller.get("/leads"), 403)


class TestALeadsToken:
    """Is confined to the lead's own objects, in every endpoint, filters and includes too."""

    @pytest.fixture
    def world(self, caller_for):
        mine, other = make_lead(), make_lead()
        tenants = {}
        for name, lead in (("mine", mine), ("other", other)):
            tenant = tenants[name] = make_tenant(lead=lead, name=name)
            make_contact(tenant), make_invoice(tenant), make_config(tenant)
        return caller_for(mine), tenants["mine"], tenants["other"]

    @pytest.mark.parametrize("path", ["/leads", "/tenants", "/tenant-configs"])
    def test_lists_and_counts_its_own(self, world, path):
        caller, _, _ = world
        assert len(caller.get(path).json()) == 1
        assert caller.get(f"{path}/count").json() == {"count": 1}

    def test_does_not_know_that_others_exist(self, world):
        caller, mine, other = world
        config = other.configs.get()
        for path in (f"/leads/{other.lead_id}", f"/tenants/{other.id}", f"/tenant-configs/{config.id}"):
            assert_error(caller.get(path), 404)
        assert_error(caller.get(f"/tenant-configs/{config.id}/tenant"), 404)
        assert_error(caller.patch(f"/tenant-configs/{config.id}", {"configKey": "x"}), 404)
        assert_error(caller.delete(f"/tenant-configs/{config.id}"), 404)
        choice = {"planId": str(make_plan().id)}
        assert_error(caller.post(f"/tenants/{other.id}/provision", choice), 404)
        assert_error(caller.post(f"/leads/{other.lead_id}/tenants", {"key": "x", "domains": ["x.example"]}), 401)
        assert caller.get(f"/tenants/{mine.id}").status_code == 200
        assert caller.post(f"/tenants/{mine.id}/provision", choice).status_code == 204

    def test_cannot_filter_its_way_to_others(self, world):
        caller, mine, other = world
        for where in ({"id": str(other.id)}, {"leadId": str(other.lead_id)}, {"name": "other"}):
            assert caller.get("/tenants", filter={"where": where}).json() == []
            assert caller.get("/tenants/count", where=where).json() == {"count": 0}
        either = {"or": [{"name": "mine"}, {"name": "other"}]}
        assert [row["id"] for row in caller.get("/tenants", filter={"where": either}).json()] == [str(mine.id)]
        assert caller.patch('/tenant-configs?where={"deleted":false}', {"configValue": {}}).json() == {"count": 1}
        rows = caller.get("/leads", filter={"include": [{"relation": "tenant", "scope": {"include": ["contacts"]}}]})
        (lead,) = rows.json()
        assert lead["tenant"]["id"] == str(mine.id)
        assert len(lead["tenant"]["contacts"]) == 1

    def test_cannot_put_anything_into_another_tenant(self, world):
        caller, mine, other = world
        for path, body in (("/invoices", INVOICE), ("/tenant-configs", {"configKey": "k", "configValue": {}})):
            assert_error(caller.post(path, {**body, "tenantId": str(other.id)}), 422)
            assert caller.post(path, {**body, "tenantId": str(mine.id)}).status_code == 200
        config = mine.configs.first()
        assert_error(caller.patch(f"/tenant-configs/{config.id}", {"tenantId": str(other.id)}), 422)

    def test_may_not_do_what_its_codes_do_not_say(self, world):
        caller, mine, _ = world
        assert_error(caller.post("/tenants", {}), 403)
        assert_error(caller.patch(f"/tenants/{mine.id}", {"name": "x"}), 403)
        assert_error(caller.delete(f"/tenants/{mine.id}"), 403)
        assert_error(caller.get("/contacts"), 403)
        assert_error(caller.get("/invoices"), 403)
        assert_error(caller.post(f"/tenants/{mine.id}/suspend"), 403)
        assert Contact.objects.count() == 2


def test_a_token_that_was_good_a_moment_ago_is_refused_once_it_has_expired(monkeypatch):
    caller = Caller(mint(subject="service", permissions=[VIEW_TENANT], lifetime=timedelta(minutes=5)))
    assert caller.get("/tenants").status_code == 200
    expired = time.time() + 300
    monkeypatch.setattr("time.time", lambda: expired)
    assert_error(caller.get("/tenants"), 401)
