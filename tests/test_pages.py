"""What is there to look at: home, status, explorer, admin; and the OpenAPI description."""

import json
import warnings

import jsonschema
import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.urls import reverse
from openapi_spec_validator import validate

from provisioning.models import Delivery, Event
from tests.conftest import Caller, assert_error, call_back, report
from tests.make import (
    SUBSCRIPTION,
    make_address,
    make_config,
    make_contact,
    make_invoice,
    make_key,
    make_lead,
    make_plan,
    make_resource,
    make_run,
    make_subscription,
    make_tenant,
    make_user,
    sign_up_body,
)

pytestmark = pytest.mark.django_db


def test_the_home_page_says_where_to_go(anyone):
    page = anyone.get("/")
    assert page.status_code == 200
    for path in ("/admin/", "/explorer", "/redoc", "/openapi.json", "/readyz"):
        assert f'href="{path}"'.encode() in page.content


def test_ping_tells_that_we_live_and_no_request_header(anyone):
    answer = anyone.request("GET", "/ping", **{"X-Secret": "hush"})
    assert answer.status_code == 200
    assert b"hush" not in answer.content


def test_readiness_tells_database_migrations_cache_and_the_oldest_undelivered_event(anyone):
    assert anyone.get("/readyz").json() == {
        "status": "ok", "database": "ok", "migrations": "ok", "cache": "ok", "oldestUndeliveredSeconds": 0.0,
    }  # fmt: skip
    anyone.post("/leads", sign_up_body())
    Delivery.objects.update(created_on="2026-01-01T00:00:00Z")
    assert anyone.get("/readyz").json()["oldestUndeliveredSeconds"] > 1000


def test_a_missing_migration_is_unready(anyone):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'webhooks'")
    answer = anyone.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unready"


def test_a_dead_redis_is_unready(anyone, settings):
    nowhere = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    settings.CACHES = {**settings.CACHES, "default": nowhere}
    answer = anyone.get("/readyz")
    settings.CACHES = {**settings.CACHES, "default": settings.CACHES["sums"]}
    assert (answer.status_code, answer.json()["cache"]) == (503, "The cache does not answer.")


@pytest.mark.parametrize("path", ["/ping", "/healthz", "/readyz"])
def test_a_probe_that_comes_by_another_name_than_the_public_one_is_answered(settings, path):
    settings.ALLOWED_HOSTS = ["tenantry.example"]
    assert Client().get(path, headers={"host": "10.0.0.7:8000"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/tenants", "/admin/"])
def test_another_host_is_refused_and_not_written_down(settings, caplog, path):
    settings.ALLOWED_HOSTS = ["tenantry.example"]
    assert Client().get(path, headers={"host": "10.0.0.7:8000"}).status_code == 400
    assert not caplog.records


@pytest.mark.parametrize("path", ["/explorer", "/redoc"])
def test_the_explorer_is_served_from_the_package(anyone, path):
    page = anyone.get(path)
    assert page.status_code == 200
    assert b'<html lang="en">' in page.content
    for word in (b"cdn.jsdelivr", b"https://unpkg", b"fonts.googleapis"):
        assert word not in page.content


def test_unknown_addresses_answer_in_the_envelope(anyone):
    assert_error(anyone.get("/nothing/here"), 404)
    assert_error(anyone.get("/tenants/"), 404)


GERMAN = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "de"}


class TestARefusal:
    """Of a browser is a page, of a program the envelope."""

    def told(self, page, status: int) -> str:
        assert (page.status_code, page.headers["Content-Language"]) == (status, "de"), page.content
        assert page.headers["Content-Type"].startswith("text/html")
        assert "Accept" in page.headers["Vary"].split(", ")
        assert "<script" not in page.content.decode()
        return page.content.decode()

    @pytest.mark.parametrize(
        ("path", "way"),
        [
            ("/signup/verify/7c1f3b52-9a41-4f3e", "/signup"),
            ("/signup/typo", "/signup"),
            ("/admin/typo/", "/admin/"),
            ("/dev/mail/gone", "/"),
            ("/nothing", "/"),
        ],
    )
    def test_of_an_address_that_is_none(self, admin_client, path, way):
        page = self.told(admin_client.get(path, headers=GERMAN), 404)
        assert "Hier ist nichts" in page
        assert f'<a class="button" href="{way}">' in page
        assert_error(admin_client.get(path, headers={"Accept": "application/json"}), 404)

    @pytest.mark.parametrize("path", ["/tenants/", "/invoices/x/y", "/payments/x/y"])
    def test_of_an_address_of_the_api_is_for_programs_whoever_asks(self, anyone, path):
        assert_error(anyone.request("GET", path, **GERMAN), 404)

    def test_leads_nowhere_that_is_switched_off(self, anyone, settings):
        settings.SIGNUP_PAGES = False
        assert '<a class="button" href="/">' in self.told(anyone.request("GET", "/signup", **GERMAN), 404)

    def test_of_an_old_form(self):
        browser = Client(enforce_csrf_checks=True)
        path = "/admin/login/?next=/admin/leads/lead/"
        page = self.told(browser.post(path, {"username": "a", "password": "b"}, headers=GERMAN), 403)
        assert f'<a class="button" href="{path}">Seite neu laden</a>' in page
        assert_error(browser.post(path, {"username": "a", "password": "b"}), 403)

    def test_of_a_page_that_has_no_such_method(self, anyone, admin_client):
        answer = admin_client.get("/admin/logout/", headers=GERMAN)
        assert 'href="/admin/"' in self.told(answer, 405)
        assert answer.headers["Allow"] == "POST, OPTIONS"
        answer = anyone.post("/signup", {})
        assert_error(answer, 405)
        assert answer.headers["Allow"] == "GET, HEAD"

    def test_of_a_defect_tells_the_request_id_and_nothing_else(self, monkeypatch):
        monkeypatch.setattr("leads.pages.form_stamp", lambda: 1 / 0)
        browser = Client(raise_request_exception=False)
        page = self.told(browser.get("/signup", headers={**GERMAN, "X-Request-Id": "abc-12345"}), 500)
        assert "abc-12345" in page
        assert "division" not in page
        assert (
            "abc-12345" in assert_error(browser.get("/signup", headers={"X-Request-Id": "abc-12345"}), 500)["message"]
        )


def test_every_answer_carries_the_request_id_and_keeps_a_well_formed_one(anyone):
    assert len(anyone.get("/ping").headers["X-Request-Id"]) == 16
    assert anyone.request("GET", "/ping", **{"X-Request-Id": "abc-12345"}).headers["X-Request-Id"] == "abc-12345"
    assert anyone.request("GET", "/ping", **{"X-Request-Id": "<b>"}).headers["X-Request-Id"] != "<b>"


def untouched(page) -> dict[str, str]:
    """What the browser sends besides of the tables of an admin page, when nothing in them is changed."""
    counts = ("TOTAL_FORMS", "INITIAL_FORMS")
    prefixes = [each.formset.prefix for each in page.context["inline_admin_formsets"]]
    return {f"{prefix}-{count}": "0" for prefix in prefixes for count in counts}


class TestTheAdmin:
    @pytest.fixture
    def browser(self) -> Client:
        client = Client()
        client.force_login(make_user(is_staff=True, is_superuser=True))
        return client

    @pytest.fixture
    def world(self):
        lead = make_lead(address=make_address())
        make_key(lead)
        tenant = make_tenant(lead=lead)
        make_contact(tenant), make_resource(tenant), make_config(tenant), make_invoice(tenant)
        run = make_run(tenant)
        call_back(run, report(run))
        return run

    @pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model.__name__)
    def test_shows_every_model_as_list_and_page_without_a_secret(self, browser, world, model):
        page = browser.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
        assert page.status_code == 200
        contents = page.content
        found = model._default_manager.first()
        if found is not None:
            detail = browser.get(
                reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[found.pk])
            )
            assert detail.status_code == 200
            contents += detail.content
        for secret in (world.secret, str(world.context)):
            assert secret.encode() not in contents

    def test_deletes_softly_and_does_not_move_a_status(self, browser, world):
        tenant = world.tenant
        page = reverse("admin:tenants_tenant_change", args=[tenant.id])
        fields = {"name": "New name", "key": tenant.key, "domains": "", "lead": tenant.lead_id, "status": "3"}
        answer = browser.post(page, fields | untouched(browser.get(page)))
        assert answer.status_code == 302, answer.context["errors"]
        tenant.refresh_from_db()
        assert (tenant.name, tenant.status) == ("New name", 0)
        browser.post(reverse("admin:tenants_tenant_delete", args=[tenant.id]), {"post": "yes"})
        tenant.refresh_from_db()
        assert tenant.deleted

    def test_replays_a_dead_delivery(self, browser, world):
        Delivery.objects.update(state=Delivery.State.DEAD)
        delivery = Delivery.objects.first()
        page = reverse("admin:provisioning_delivery_changelist")
        browser.post(page, {"action": "replay_selected", "confirm": "yes", "_selected_action": [delivery.id]})
        delivery.refresh_from_db()
        assert delivery.state == Delivery.State.PENDING


@pytest.fixture
def description(anyone) -> dict:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return anyone.get("/openapi.json").json()


class TestTheDescription:
    def test_is_valid_openapi_3_1(self, description):
        assert description["openapi"].startswith("3.1")
        validate(description)

    def test_holds_every_operation_once_with_security_errors_and_examples(self, description):
        ids = []
        for path, operations in description["paths"].items():
            for method, operation in operations.items():
                ids.append(operation["operationId"])
                assert operation["summary"], (method, path)
                for content in [operation.get("requestBody"), *operation["responses"].values()]:
                    for media in (content or {}).get("content", {}).values():
                        self.check(media["example"], media["schema"], description)
        assert len(ids) == len(set(ids))
        for path in ("/leads", "/leads/{id}/verify", "/leads/{id}/tenants", "/tenants/{id}/provision", "/webhook"):
            assert "post" in description["paths"][path]
        assert description["paths"]["/webhook"]["post"]["security"] == [{"signature": [], "timestamp": []}]

    def test_says_nothing_that_is_meant_for_staff_in_whatever_language(self, description, office, anyone):
        office.get("/admin/", headers={"Accept-Language": "de"})
        assert anyone.get("/openapi.json?lang=de").json() == description
        named = [
            (kind, name)
            for kind, schema in description["components"]["schemas"].items()
            for name, field in schema.get("properties", {}).items()
            if "title" in field
        ]
        assert not named
        assert description["components"]["schemas"]["Plan"]["properties"]["price"]["description"].startswith("Net, ")

    def check(self, value, schema, description):
        whole = {**schema, "components": description["components"]}
        jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker()).validate(value)

    def test_is_what_the_service_answers(self, description, staff, anyone):
        lead = make_lead(address=make_address(), is_validated=False)
        tenant = make_tenant(lead=lead)
        contact, invoice, config = make_contact(tenant), make_invoice(tenant), make_config(tenant)
        make_resource(tenant)
        every = json.dumps({"include": ["contacts", "resources", "lead", "address"]})
        answers = {
            ("/leads", "post"): anyone.post("/leads", sign_up_body()),
            ("/leads", "get"): staff.get("/leads", filter={"include": ["tenant", "address"]}),
            ("/leads/{id}/verify", "post"): Caller(make_key(lead)).post(f"/leads/{lead.id}/verify"),
            ("/tenants", "get"): staff.get("/tenants", filter=every),
            ("/tenants/{id}", "get"): staff.get(f"/tenants/{tenant.id}"),
            ("/tenants/count", "get"): staff.get("/tenants/count"),
            ("/tenants", "patch"): staff.request("PATCH", '/tenants?where={"status":5}', {"name": "x"}),
            ("/contacts/{id}", "get"): staff.get(f"/contacts/{contact.id}", filter={"include": ["tenant"]}),
            ("/invoices/{id}", "get"): staff.get(f"/invoices/{invoice.id}"),
            ("/tenant-configs/{id}", "get"): staff.get(f"/tenant-configs/{config.id}"),
            ("/tenants/{id}/provision", "post"): staff.post(f"/tenants/{tenant.id}/provision", SUBSCRIPTION),
            ("/contacts", "post"): staff.post("/contacts", {"email": "x"}),
            ("/ping", "get"): anyone.get("/ping"),
            ("/plans", "get"): anyone.get("/plans"),
            ("/invoices/{id}/payments", "post"): staff.post(f"/invoices/{invoice.id}/payments", {"amount": 20}),
            ("/invoices/{id}/credit-notes", "post"): staff.post(f"/invoices/{invoice.id}/credit-notes", {"amount": 10}),
            ("/invoices", "get"): staff.get("/invoices", filter={"include": ["payments", "creditNotes", "tenant"]}),
            ("/payments", "get"): staff.get("/payments", filter={"include": ["invoice"]}),
            ("/credit-notes", "get"): staff.get("/credit-notes"),
            ("/subscriptions", "get"): staff.get("/subscriptions", filter={"include": ["plan", "tenant"]}),
            ("/subscriptions/{id}/change-plan", "post"): staff.post(
                f"/subscriptions/{make_subscription().id}/change-plan", {"planId": str(make_plan().id)}
            ),
            ("/billing/summary", "get"): staff.get("/billing/summary"),
            ("/invoices/{id}", "delete"): staff.delete(f"/invoices/{invoice.id}"),
        }
        for (path, method), answer in answers.items():
            response = description["paths"][path][method]["responses"][str(answer.status_code)]
            if answer.content:
                self.check(answer.json(), response["content"]["application/json"]["schema"], description)
            else:
                assert "content" not in response
        assert Event.objects.exists()

    def test_knows_how_what_has_no_body_is_refused(self, description, staff):
        tenant, key = f"/tenants/{make_tenant(status=0).id}", {"Idempotency-Key": "k"}
        refusals = {
            "/tenants/{id}/suspend": staff.post(f"{tenant}/suspend", **{"Idempotency-Key": "a b"}),
            "/tenants/{id}/resume": [staff.post(f"{tenant}/{move}", **key) for move in ("suspend", "resume")][-1],
            "/tenants/{id}/timeline": staff.get(f"{tenant}/timeline", limit="x"),
            "/tenant-configs/{id}/tenant": staff.get(f"/tenant-configs/{make_config().id}/tenant", filter="{"),
        }
        assert [answer.status_code for answer in refusals.values()] == [400, 422, 400, 400]
        for path, answer in refusals.items():
            (operation,) = description["paths"][path].values()
            assert str(answer.status_code) in operation["responses"], path

    def test_knows_what_the_tenant_of_a_configuration_can_be_asked_for(self, description, staff):
        answer = staff.get(f"/tenant-configs/{make_config().id}/tenant", filter={"include": ["contacts", "lead"]})
        operation = description["paths"]["/tenant-configs/{id}/tenant"]["get"]
        shape = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert answer.json().keys() <= description["components"]["schemas"][shape]["properties"].keys()
        assert "filter" in [parameter["name"] for parameter in operation["parameters"]]
