"""The query language of CONTRACT section 5."""

import json
import re
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config import filters
from tenants.models import Contact, Tenant
from tests.conftest import assert_error
from tests.make import (
    make_address,
    make_config,
    make_contact,
    make_invoice,
    make_lead,
    make_resource,
    make_tenant,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def four() -> dict[str, Tenant]:
    """Tenants a, b, c, d; two have a lead."""
    return {
        "a": make_tenant(name="Alpha", key="a", status=0, lead=make_lead()),
        "b": make_tenant(name="Beta_1", key="b", status=1, lead=make_lead()),
        "c": make_tenant(name="beta%2", key="c", status=2),
        "d": make_tenant(name="Gamma*[x]?", key="d", status=5),
    }


def keys(answer) -> str:
    assert answer.status_code == 200, answer.content
    return "".join(row["key"] for row in answer.json())


CONDITIONS = [
    ({"name": "Alpha"}, "a"),
    ({"name": {"eq": "Alpha"}}, "a"),
    ({"name": {"neq": "Alpha"}}, "bcd"),
    ({"status": {"gt": 1}}, "cd"),
    ({"status": {"gte": 1}}, "bcd"),
    ({"status": {"lt": 1}}, "a"),
    ({"status": {"lte": 1, "gt": 0}}, "b"),
    ({"status": {"inq": [0, "INACTIVE"]}}, "ad"),
    ({"status": {"nin": [0, 5]}}, "bc"),
    ({"status": {"between": [1, 2]}}, "bc"),
    ({"status": "PROVISIONING"}, "c"),
    ({"name": {"like": "beta%"}}, "c"),
    ({"name": {"like": "Beta__"}}, "b"),
    ({"name": {"like": "Beta\\_1"}}, "b"),
    ({"name": {"like": "%\\%%"}}, "c"),
    ({"name": {"like": "%*[x]?"}}, "d"),
    ({"name": {"nlike": "beta%"}}, "abd"),
    ({"name": {"ilike": "BETA%"}}, "bc"),
    ({"name": {"nilike": "BETA%"}}, "ad"),
    ({"leadId": None}, "cd"),
    ({"leadId": {"neq": None}}, "ab"),
    ({"leadId": {"exists": True}}, "ab"),
    ({"leadId": {"exists": False}}, "cd"),
    ({"leadId": {"neq": "7c1f3b52-9a41-4f3e-8a55-0d8f1f6f2a10"}}, "ab"),
    ({"leadId": {"nin": ["7c1f3b52-9a41-4f3e-8a55-0d8f1f6f2a10"]}}, "ab"),
    ({"createdOn": {"gt": "2020-01-01"}}, "abcd"),
    ({"createdOn": {"lt": "2020-01-01T00:00:00Z"}}, ""),
    ({"deleted": False}, "abcd"),
    ({"or": [{"key": "a"}, {"key": "d"}]}, "ad"),
    ({"and": [{"status": {"gt": 0}}, {"or": [{"key": "a"}, {"key": "b"}]}]}, "b"),
    ({"or": [{"key": "a", "status": 5}, {"key": "b", "status": 1}]}, "b"),
    ({"name": {"inq": []}}, ""),
    ({}, "abcd"),
]


@pytest.mark.parametrize(("where", "found"), CONDITIONS, ids=lambda value: json.dumps(value))
def test_a_condition_finds(staff, four, where, found):
    assert keys(staff.get("/tenants", filter={"where": where})) == found
    assert staff.get("/tenants/count", where=where).json() == {"count": len(found)}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"filter[where][status]": "0"}, "a"),
        ({"filter[where][status][gt]": "1"}, "cd"),
        ({"filter[where][or][0][key]": "a", "filter[where][or][1][key]": "b"}, "ab"),
        ({"filter[where][status][inq][0]": "0", "filter[where][status][inq][1]": "5"}, "ad"),
        ({"filter[where][status][inq][]": ["0", "5"]}, "ad"),
        ({"filter[order]": "name DESC", "filter[limit]": "2"}, "cd"),
        ({"filter[order][0]": "status DESC"}, "dcba"),
        ({"filter[skip]": "3"}, "d"),
        ({"status": "0"}, "a"),
        ({"status": ["0", "5"]}, "ad"),
        ({"status": "ACTIVE"}, "a"),
        ({"name": "Alpha"}, "a"),
        ({"search": "beta"}, "bc"),
        ({"search": "beta 2"}, "c"),
        ({"ordering": "-status"}, "dcba"),
        ({"limit": "2", "offset": "1"}, "bc"),
        ({"filter": {"limit": 1, "order": "status DESC"}, "limit": "2", "ordering": "status"}, "ab"),
        ({"filter": {"where": {"status": {"gt": 0}}}, "search": "beta", "status": "1"}, "b"),
    ],
    ids=lambda value: json.dumps(value)[:50],
)
def test_brackets_and_plain_parameters_find(staff, four, query, found):
    if "name" in json.dumps(query.get("filter[order]", "")):
        names = [row["name"] for row in staff.get("/tenants", **query).json()]
        assert len(names) == 2
        return
    assert keys(staff.get("/tenants", **query)) == found


def test_order_has_several_properties_and_a_tie_break(staff):
    for number in range(6):
        make_tenant(name="ab"[number % 2], key=f"k{number}")
    rows = staff.get("/tenants", filter={"order": ["name DESC", "key ASC"]}).json()
    assert [row["key"] for row in rows] == ["k1", "k3", "k5", "k0", "k2", "k4"]
    ties = staff.get("/tenants", filter={"order": "name"}).json()
    assert [row["id"] for row in ties] == sorted(row["id"] for row in ties[:3]) + sorted(row["id"] for row in ties[3:])


def test_fields_choose_or_leave_out(staff, four):
    def first(fields):
        return set(staff.get("/tenants", filter={"fields": fields, "limit": 1}).json()[0])

    everything = set(staff.get("/tenants").json()[0])
    assert first(["id", "name"]) == first({"id": True, "name": True}) == {"id", "name"}
    assert first({"name": False}) == everything - {"name"}


def test_relations_are_always_there_when_included(staff):
    tenant = make_tenant()
    row = staff.get("/tenants", filter={"include": ["contacts", "resources", "lead", "address"]}).json()[0]
    assert (row["contacts"], row["resources"], row["lead"], row["address"]) == ([], [], None, None)
    assert "contacts" not in staff.get(f"/tenants/{tenant.id}").json()


def test_a_scope_is_a_filter_of_the_relation(staff):
    tenant = make_tenant(lead=make_lead(address=make_address()))
    for letter in "abc":
        make_contact(tenant, first_name=letter)
    scope = {"where": {"firstName": {"neq": "b"}}, "order": "firstName DESC", "fields": ["firstName"], "limit": 1}
    query = {"include": [{"relation": "contacts", "scope": scope}, "lead"]}
    answer = staff.get(f"/tenants/{tenant.id}", filter=query).json()
    assert answer["contacts"] == [{"firstName": "c"}]
    nested = {
        "include": [
            {"relation": "tenant", "scope": {"include": [{"relation": "lead", "scope": {"include": ["address"]}}]}}
        ]
    }
    row = staff.get("/contacts", filter={**nested, "limit": 1}).json()[0]
    assert row["tenant"]["lead"]["address"]["country"] == "GB"
    lead = staff.get("/leads", filter={"include": ["tenant", "address"]}).json()[0]
    assert (lead["tenant"]["id"], lead["address"]["city"]) == (str(tenant.id), "London")


@pytest.mark.parametrize("path", ["/contacts", "/invoices", "/tenant-configs"])
def test_every_part_includes_its_tenant(staff, path):
    tenant = make_tenant()
    make_contact(tenant), make_invoice(tenant), make_config(tenant)
    assert staff.get(path, filter={"include": ["tenant"]}).json()[0]["tenant"]["id"] == str(tenant.id)
    assert staff.get(path, tenantId=str(tenant.id)).json()[0]["tenantId"] == str(tenant.id)


def test_a_lead_sees_its_own_addresses_and_no_other(caller_for):
    lead, other = make_lead(address=make_address()), make_lead(address=make_address())
    tenant = make_tenant(lead=lead, address=make_address())
    make_tenant(lead=other, address=other.address)
    caller = caller_for(lead)
    for path in ("/leads", "/tenants"):
        (row,) = caller.get(path, filter={"include": ["address"]}).json()
        assert row["address"]["id"] == str(lead.address_id if path == "/leads" else tenant.address_id)
        assert caller.get(f"{path}/{row['id']}", filter={"include": ["address"]}).json()["address"] == row["address"]
    within = {"include": [{"relation": "tenant", "scope": {"include": ["address"]}}]}
    (row,) = caller.get("/leads", filter=within).json()
    assert row["tenant"]["address"]["id"] == str(tenant.address_id)


@pytest.mark.parametrize("query", [{"where": {"name": "x"}}, {"limit": 1}, {"skip": 1}], ids=str)
def test_of_a_single_object_only_fields_and_relations_can_be_chosen(staff, query):
    tenant = make_tenant()
    config = make_config(tenant)
    assert_error(staff.get(f"/tenants/{tenant.id}", filter=query), 400)
    assert_error(staff.get(f"/tenant-configs/{config.id}/tenant", filter=query), 400)


def test_a_filter_may_include_only_so_much(staff):
    make_tenant()
    scope: dict = {}
    for _ in range(20):
        scope = {"include": [{"relation": "tenant", "scope": {"include": [{"relation": "contacts", "scope": scope}]}}]}
    assert_error(staff.get("/contacts", filter=scope), 400)


def test_of_one_object_fields_and_include_alone_can_be_chosen(staff):
    tenant = make_tenant()
    assert staff.get(f"/tenants/{tenant.id}", filter={"fields": ["id"]}).json() == {"id": str(tenant.id)}
    assert_error(staff.get(f"/tenants/{tenant.id}", filter={"where": {"name": "x"}}), 400)


def test_a_list_has_a_hundred_rows_unless_limit_says_otherwise_and_never_above_a_thousand(staff):
    Contact.objects.bulk_create(
        Contact(tenant=tenant, first_name="A", last_name="B", email=f"c{n}@x.example")
        for tenant in [make_tenant()]
        for n in range(1001)
    )
    assert len(staff.get("/contacts").json()) == 100
    assert len(staff.get("/contacts", limit="500").json()) == 500
    assert len(staff.get("/contacts", filter={"limit": 5000}).json()) == 1000


@pytest.mark.parametrize("order", ["name DESC", "createdOn DESC", "status ASC"])
def test_a_deep_page_shows_what_a_shallow_one_would(staff, four, monkeypatch, order):
    make_contact(four["b"])
    query = {"where": {"status": {"lt": 5}}, "order": order, "skip": 1, "limit": 2, "include": ["contacts", "lead"]}
    shallow = staff.get("/tenants", filter=query)
    monkeypatch.setattr(filters, "DEEP", 1)
    deep = staff.get("/tenants", filter=query)
    assert len(deep.json()) == 2
    assert (deep.json(), deep.headers["Link"]) == (shallow.json(), shallow.headers["Link"])


def test_links_lead_through_all_pages_and_back(staff):
    everything = {str(make_tenant(name="same").id) for _ in range(7)}
    query = {"filter": json.dumps({"where": {"name": "same"}, "order": "name DESC"}), "limit": "3"}
    seen, pages = [], 0
    while query:
        answer = staff.get("/tenants", **query)
        seen += [row["id"] for row in answer.json()]
        links = dict(re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers.get("Link", "")))
        links = {name: url for url, name in links.items()}
        assert ("prev" in links) == (pages > 0)
        pages += 1
        query = dict(parse_qsl(urlsplit(links["next"]).query)) if "next" in links else None
    assert pages == 3
    assert len(seen) == 7
    assert set(seen) == everything


def test_unknown_names_are_named(staff):
    assert "shoeSize" in assert_error(staff.get("/tenants", filter={"where": {"shoeSize": 1}}), 400)["message"]
    assert "almost" in assert_error(staff.get("/tenants", filter={"where": {"name": {"almost": 1}}}), 400)["message"]
    assert "friends" in assert_error(staff.get("/tenants", filter={"include": ["friends"]}), 400)["message"]
    assert "shoeSize" in assert_error(staff.get("/tenants", shoeSize="1"), 400)["message"]
    assert_error(staff.get("/tenants/count", where={"shoeSize": 1}), 400)


def test_a_list_costs_the_same_statements_however_many_rows(staff):
    every = {"include": ["contacts", "resources", "lead", "address"], "limit": 1000}

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert staff.get("/tenants", filter=every).status_code == 200
        return len(captured)

    counts = []
    for rows in (1, 10, 100):
        for _ in range(rows):
            tenant = make_tenant(lead=make_lead(), address=make_address())
            make_contact(tenant), make_resource(tenant)
        counts.append(statements())
    assert counts == [5, 5, 5]


def test_what_is_deleted_appears_nowhere(staff):
    tenant = make_tenant(lead=make_lead())
    gone = make_contact(tenant)
    stays = make_contact(tenant)
    assert staff.delete(f"/contacts/{gone.id}").status_code == 204
    assert_error(staff.get(f"/contacts/{gone.id}"), 404)
    assert_error(staff.delete(f"/contacts/{gone.id}"), 404)
    assert_error(staff.patch(f"/contacts/{gone.id}", {"firstName": "x"}), 404)
    assert [row["id"] for row in staff.get("/contacts").json()] == [str(stays.id)]
    assert staff.get("/contacts/count").json() == {"count": 1}
    assert staff.get("/contacts", filter={"where": {"deleted": True}}).json() == []
    assert staff.patch('/contacts?where={"lastName":"Lovelace"}', {"lastName": "L"}).json() == {"count": 1}
    included = staff.get("/tenants", filter={"include": ["contacts"]}).json()[0]["contacts"]
    assert [row["id"] for row in included] == [str(stays.id)]
    staff.delete(f"/tenants/{tenant.id}")
    assert staff.get("/leads", filter={"include": ["tenant"]}).json()[0]["tenant"] is None
    assert staff.get(f"/contacts/{stays.id}", filter={"include": ["tenant"]}).json()["tenant"] is None
    gone.refresh_from_db()
    assert gone.deleted_on is not None
    assert str(gone.deleted_by) == "0b9a1c3e-5d52-4c0a-9f0e-3f7f5a1c2d3e"
