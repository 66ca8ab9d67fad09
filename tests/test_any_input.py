"""Whatever hypothesis thinks of sending, the answer is never a 500."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.make import make_contact, make_invoice
from tests.test_hostile import PLACES

pytestmark = pytest.mark.django_db


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


FIELDS = st.sampled_from(
    [
        "firstName",
        "lastName",
        "companyName",
        "email",
        "address",
        "name",
        "key",
        "domains",
        "contact",
        "amount",
        "status",
        "startDate",
        "endDate",
        "dueDate",
        "currencyCode",
        "tenantId",
        "configKey",
        "configValue",
        "isPrimary",
        "type",
        "id",
        "initiatorId",
        "data",
        "plan",
    ]
)


OPERATORS = st.sampled_from(["eq", "neq", "gt", "lte", "inq", "nin", "between", "like", "nilike", "exists", "x"])


PROPERTIES = st.sampled_from(["name", "status", "id", "createdOn", "deleted", "leadId", "key", "and", "or", "x"])


MANY = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@MANY
@given(body=JSON | st.dictionaries(FIELDS, JSON, max_size=8), path=st.sampled_from([*PLACES, "/webhook"]))
def test_no_body_is_a_defect(staff, body, path):
    assert staff.post(path, body).status_code < 500


@MANY
@given(
    where=st.dictionaries(PROPERTIES, JSON | st.dictionaries(OPERATORS, JSON, max_size=2), max_size=3),
    rest=st.dictionaries(st.sampled_from(["limit", "offset", "skip", "order", "fields", "include"]), JSON, max_size=2),
)
def test_no_filter_is_a_defect(staff, where, rest):
    assert staff.get("/tenants", filter={"where": where, **rest}).status_code < 500
    assert staff.get("/tenants/count", where=where).status_code < 500


@pytest.fixture
def changeable() -> list[str]:
    return [f"/contacts/{make_contact().id}", f"/invoices/{make_invoice().id}"]


@MANY
@given(body=st.dictionaries(FIELDS, JSON, max_size=6))
def test_no_change_is_a_defect(staff, changeable, body):
    for path in changeable:
        assert staff.patch(path, body).status_code < 500
        assert staff.put(path, body).status_code < 500
