"""Whatever is sent, the answer is an error of CONTRACT section 11, and never a 500."""

import json

import pytest

from identity.permissions import ALL_CODES
from leads.models import Lead
from tenants.models import Tenant
from tests.conftest import assert_error
from tests.make import (
    SUBSCRIPTION,
    make_invoice,
    make_subscription,
    make_tenant,
    sign_up_body,
)
from tests.test_invoices import body as invoice_body

pytestmark = pytest.mark.django_db
NOBODY = "7c1f3b52-9a41-4f3e-8a55-0d8f1f6f2a10"
CONTACT = {"firstName": "Ada", "lastName": "L", "email": "ada@acme.example", "isPrimary": True}
TENANT = {"name": "Acme", "key": "acme", "domains": ["acme.example"], "contact": CONTACT}
PLACES = ["/leads", "/tenants", "/contacts", "/invoices", "/tenant-configs", "/auth/token", f"/leads/{NOBODY}/tenants"]


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"a": NaN}', "application/json", 400),
        (b'{"a": Infinity}', "application/json", 400),
        (b'{"a": 1e400}', "application/json", 400),
        (b'{"a": ' + b"9" * 5000 + b"}", "application/json", 400),
        (b"[" * 100_000 + b"]" * 100_000, "application/json", 400),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "application/json", 400),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b'"text"', "application/json", 422),
        (b"7", "application/json", 422),
        (b"", "application/json", 422),
        (b"", "", 422),
        (b'{"\\u0000": 1}', "application/json", 422),
        (b'{"firstName": "\\ud800"}', "application/json", 422),
        (b'{"\\ud800": "\\ud801"}', "application/json", 422),
        (b'{"a\\ud800": {"x": ["\\u0000"]}}', "application/json", 422),
        (b'{"unknown": 1}', "application/json", 422),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"{}", "multipart/form-data; boundary=x", 415),
        (b" " * (10 * 1024 * 1024), "application/json", 413),
    ],
)
def test_a_body_that_is_none_is_refused(caller_with, path, body, content_type, status):
    caller = caller_with(*ALL_CODES, subject=NOBODY)
    assert_error(caller.request("POST", path, body, content_type=content_type), status)


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"firstName": "x" * 101}, "/firstName", "maxLength"),
        ({"firstName": ""}, "/firstName", "minLength"),
        ({"firstName": "  "}, "/firstName", "minLength"),
        ({"firstName": None}, "/firstName", "type"),
        ({"firstName": 7}, "/firstName", "invalid"),
        ({"firstName": ["x"]}, "/firstName", "invalid"),
        ({"firstName": "a\r\nBcc: x@y.z"}, "/firstName", "pattern"),
        ({"firstName": "a\u0000b"}, "/firstName", "unstorable"),
        ({"firstName": "\ud83d"}, "/firstName", "unstorable"),
        ({"email": "a@b.example\r\nBcc: c@d.example"}, "/email", "invalid"),
        ({"email": "nobody"}, "/email", "invalid"),
        ({"email": "ada@[127.0.0.1]"}, "/email", "invalid"),
        ({"email": "ada@acme.-x"}, "/email", "invalid"),
        ({"email": "ada@☃.example"}, "/email", "invalid"),
        ({"email": "ada@" + "ü" * 80 + ".example"}, "/email", "invalid"),
        ({"email": "ada@" + "ü" * 25 + ".".join("ü" * 9) + ".example"}, "/email", "maxLength"),
        ({"email": "a" * 90 + "@acme.example"}, "/email", "maxLength"),
        ({"address": "x"}, "/address", "invalid"),
        ({"address": {"country": "x" * 26}}, "/address/country", "maxLength"),
        ({"address": {"planet": "x"}}, "/address/planet", "additionalProperties"),
        ({"id": NOBODY}, "/id", "additionalProperties"),
        ({"isValidated": True}, "/isValidated", "additionalProperties"),
    ],
)
def test_a_sign_up_with_a_bad_field_names_it_and_stores_nothing(anyone, change, path, code):
    (detail,) = assert_error(anyone.post("/leads", sign_up_body(**change)), 422, code="validation_failed")["details"]
    assert (detail["path"], detail["code"]) == (path, code)
    assert not Lead.objects.exists()


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"key": "ACME"}, "/key"),
        ({"key": "a" * 11}, "/key"),
        ({"key": "a-b"}, "/key"),
        ({"key": "acme\n"}, None),
        ({"domains": ["acme.example", "ACME.example"]}, "/domains"),
        ({"domains": ["acme.example", "no host"]}, "/domains"),
        ({"domains": ["acme.example", "-x.example"]}, "/domains"),
        ({"domains": "acme.example"}, "/domains"),
        ({"domains": ["acme.example", 7]}, "/domains/1"),
        ({"domains": [f"a{n}.example" for n in range(101)]}, "/domains"),
        ({"contact": None}, "/contact"),
        ({"contact": {**CONTACT, "isPrimary": "yes"}}, "/contact/isPrimary"),
        ({"contact": {**CONTACT, "tenantId": NOBODY}}, "/contact/tenantId"),
        ({"status": 0}, "/status"),
        ({"leadId": NOBODY}, "/leadId"),
    ],
)
def test_a_tenant_with_a_bad_field_is_refused_by_its_name(staff, change, path):
    answer = staff.post("/tenants", {**TENANT, **change})
    if path is None:  # white space around a text is no part of it
        assert answer.json()["key"] == "acme"
        return
    assert path in [detail["path"] for detail in assert_error(answer, 422)["details"]]
    assert not Tenant.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"amount": -1},
        {"amount": "NaN"},
        {"amount": 10**12},
        {"amount": 1.23456},
        {"amount": True},
        {"amount": None},
        {"currencyCode": "eur"},
        {"currencyCode": "EURO"},
        {"status": 9},
        {"status": "LOST"},
        {"status": True},
        {"startDate": "soon"},
        {"startDate": "2026-02-30T00:00:00Z"},
        {"dueDate": 7},
        {"endDate": "2020-01-01T00:00:00Z"},
        {"startDate": "0001-01-01T00:00:00+14:00"},
        {"tenantId": NOBODY},
        {"tenantId": "x"},
        {"tenantId": 7},
        {"invoiceFile": "/etc/passwd"},
        {"createdBy": NOBODY},
        {"deleted": True},
    ],
    ids=json.dumps,
)
def test_an_invoice_with_a_bad_field_is_refused(staff, change):
    body = {
        "startDate": "2026-01-01T00:00:00Z", "endDate": "2026-02-01T00:00:00Z", "dueDate": "2026-01-15T00:00:00Z",
        "amount": 1, "currencyCode": "EUR", "tenantId": str(make_tenant().id),
    }  # fmt: skip
    assert staff.post("/invoices", body).status_code == 200
    assert_error(staff.post("/invoices", {**body, **change}), 422)


@pytest.mark.parametrize(
    "change",
    [
        {"status": 0},
        {"leadId": NOBODY},
        {"id": NOBODY},
        {"createdBy": NOBODY},
        {"createdOn": "2020-01-01T00:00:00Z"},
        {"deleted": True},
        {"addressId": NOBODY},
    ],
    ids=json.dumps,
)
def test_what_is_not_the_callers_to_write_is_refused_unless_it_is_what_stands(staff, change):
    tenant = make_tenant()
    path = f"/tenants/{tenant.id}"
    details = assert_error(staff.patch(path, {"name": "New", **change}), 422)["details"]
    assert details[0]["code"] == "readOnly"
    assert_error(staff.patch('/tenants?where={"status":1}', change), 422)
    whole = staff.get(path).json()
    assert staff.put(path, {**whole, "name": "New"}).status_code == 204
    tenant.refresh_from_db()
    assert (tenant.name, tenant.status, tenant.deleted) == ("New", 1, False)


@pytest.mark.parametrize("id", ["x", "7", "%00", "7c1f3b52", NOBODY + "0", "..%2f..", "null"])
def test_an_id_that_is_none_is_not_found(staff, id):
    for path in (f"/tenants/{id}", f"/contacts/{id}", f"/leads/{id}", f"/invoices/{id}"):
        assert_error(staff.get(path), 404)
    assert_error(staff.post(f"/tenants/{id}/provision", {}), 404)


BAD_QUERIES = [
    {"filter": "{"},
    {"filter": "[]"},
    {"filter": "7"},
    {"filter": '{"where": 7}'},
    {"filter": "[" * 5000},
    {"filter": '{"where":' * 70 + "1" + "}" * 70},
    {"filter": {"limit": 0}},
    {"filter": {"limit": "x"}},
    {"filter": {"limit": 1.5}},
    {"filter": {"limit": True}},
    {"filter": {"offset": -1}},
    {"filter": {"skip": 10**30}},
    {"filter": {"skip": 2**63}},
    {"filter": {"order": 7}},
    {"filter": {"order": "name SIDEWAYS"}},
    {"filter": {"order": "password"}},
    {"filter": {"order": ["name; drop table tenants"]}},
    {"filter": {"fields": ["nope"]}},
    {"filter": {"fields": 7}},
    {"filter": {"fields": {"name": 7}}},
    {"filter": {"include": ["runs"]}},
    {"filter": {"include": [{"relation": "contacts", "scope": {"where": {"nope": 1}}}]}},
    {"filter": {"include": 7}},
    {"filter": {"include": [{"relation": "contacts", "extra": 1}]}},
    {"filter": {"nope": 1}},
    {"filter": {"where": {"nope": 1}}},
    {"filter": {"where": {"lead__email": "x"}}},
    {"filter": {"where": {"domains": "x"}}},
    {"filter": {"where": {"name": {"regexp": "x"}}}},
    {"filter": {"where": {"name": {}}}},
    {"filter": {"where": {"name": []}}},
    {"filter": {"where": {"name": "\u0000"}}},
    {"filter": '{"where":{"name":"\\ud800"}}'},
    {"filter": {"where": {"name": {"like": "x\\"}}}},
    {"filter": {"where": {"status": {"like": "0"}}}},
    {"filter": {"where": {"status": "GONE"}}},
    {"filter": {"where": {"status": 10**30}}},
    {"filter": {"where": {"status": 1e308}}},
    {"filter": {"where": {"status": True}}},
    {"filter": {"where": {"status": 1.9}}},
    {"filter": {"where": {"status": {"inq": [2**63]}}}},
    {"filter": {"where": {"or": [{"name": str(number)} for number in range(251)]}}},
    {"filter": {"where": {"name": {"like": "%" * 1001}}}},
    {"filter": '{"limit":"5"}', "filter[limit]": ["1", "2"]},
    {"filter": '{"where":{"name":7}}', "filter[where][name]": ["1", "2"]},
    {"filter": {"where": {"id": "x"}}},
    {"filter": {"where": {"id": 7}}},
    {"filter": {"where": {"createdOn": "soon"}}},
    {"filter": {"where": {"createdOn": 7}}},
    {"filter": {"where": {"createdOn": {"gt": "0001-01-01T00:00:00+14:00"}}}},
    {"filter": {"where": {"createdOn": {"gt": "9999-12-31T23:59:59-14:00"}}}},
    {"filter": {"where": {"createdOn": {"between": ["2026-01-01T00:00:00Z"]}}}},
    {"filter": {"where": {"name": {"inq": "x"}}}},
    {"filter": {"where": {"name": {"gt": None}}}},
    {"filter": {"where": {"name": {"exists": 7}}}},
    {"filter": {"where": {"deleted": "perhaps"}}},
    {"filter": {"where": {"and": {}}}},
    {"filter": {"where": {"or": []}}},
    {"filter": {"where": {"or": [7]}}},
    {"filter": {"where": {"key": {"$ne": 1}}}},
    {"filter[where]": "x"},
    {"filter[": "x"},
    {"filter[where][status]x": "0"},
    {"filter[where][a][b]": "1", "filter[where][a]": "2"},
    {"limit": "0"},
    {"limit": "x"},
    {"offset": "-1"},
    {"ordering": "nope"},
    {"nope": "1"},
    {"status": "x"},
    {"name": "\u0000"},
    {"search": "\u0000"},
    {"search": "a " * 17},
    {"search": "a" * 1001},
    {"access_token": "x"},
]


@pytest.mark.parametrize("query", BAD_QUERIES, ids=lambda query: json.dumps(query)[:60])
def test_a_query_that_is_none_is_a_bad_request(staff, query):
    assert_error(staff.get("/tenants", **query), 400)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
@pytest.mark.parametrize(
    ("moment", "code"),
    [("0001-01-01T00:00:00Z", "minimum"), ("1899-12-31T23:59:59Z", "minimum"), ("9999-12-31T23:59:59Z", "maximum")],
)
def test_a_moment_that_no_calendar_has_everywhere_is_refused(staff, settings, zone, moment, code):
    settings.BILLING_TIME_ZONE = zone
    tenant, invoice, subscription = make_tenant(), make_invoice(), make_subscription()
    signed = {"tenantId": str(tenant.id), "planId": str(subscription.plan_id)}
    for method, path, body, name in (
        ("POST", "/invoices", invoice_body(tenant), "dueDate"),
        ("POST", f"/invoices/{invoice.id}/payments", {"amount": 1}, "date"),
        ("POST", "/subscriptions", signed, "endDate"),
        ("PATCH", f"/subscriptions/{subscription.id}", {}, "endDate"),
        ("POST", f"/tenants/{tenant.id}/provision", SUBSCRIPTION, "endDate"),
    ):
        error = assert_error(staff.request(method, path, {**body, name: moment}), 422)
        assert [(each["path"], each["code"]) for each in error["details"]] == [(f"/{name}", code)]


def test_a_bulk_change_needs_a_condition_that_says_something(staff):
    tenant = make_tenant(name="Old")
    for query in ("", "?where=", "?where={}", "?_=1"):
        assert_error(staff.patch(f"/tenants{query}", {"name": "New"}), 400)
    for query in ('?where={"nope":1}', '?where={"and":[]}', "?where=x", "?limit=1"):
        assert_error(staff.patch(f"/tenants{query}", {"name": "New"}), 400)
    assert_error(staff.patch('/tenants?where={"name":"Old"}', {"name": "x" * 101}), 422)
    tenant.refresh_from_db()
    assert tenant.name == "Old"
    assert staff.patch('/tenants?where={"name":"Old"}', {"name": "New"}).json() == {"count": 1}


@pytest.mark.parametrize("months", ["0", "37", "0012999", "0001999999", "-1", "1.5", "١٢", ""])
def test_a_number_of_months_that_is_none_is_a_bad_request(staff, months):
    assert_error(staff.get("/billing/summary", months=months), 400)


def test_the_limit_comes_before_the_token_and_the_method_before_both(anyone, settings):
    settings.PUBLIC_API_MAX_ATTEMPTS = 1
    path = f"/leads/{NOBODY}/tenants"
    assert [anyone.post(path, {}).status_code for _ in range(2)] == [401, 429]
    assert_error(anyone.get(path), 405)


def test_numbers_of_any_size_come_back_as_they_went_in(staff):
    value = {"huge": 10**30, "least": -(2**63), "part": 0.1, "deep": [[10**20]]}
    body = {"configKey": "numbers", "configValue": value, "tenantId": str(make_tenant().id)}
    created = staff.post("/tenant-configs", body)
    assert created.status_code == 200, created.content
    assert created.json()["configValue"] == value
    assert staff.get(f"/tenant-configs/{created.json()['id']}").json()["configValue"] == value
