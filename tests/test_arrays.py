"""JSON that is written in bulk."""

import json

import pytest
from django.db import connection
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from provisioning.models import Event
from tests.make import make_tenant

pytestmark = pytest.mark.django_db
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])) | st.sampled_from(
    ['"', "\\", '\\"', "{}", ",", "NULL", "\n", "\\u0041"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), min_size=2, max_size=4))
@property_settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_in_bulk_is_read_back_as_it_was(payloads):
    subject = make_tenant().id
    made = Event.objects.bulk_create(Event(type="X", subject=subject, payload=payload) for payload in payloads)
    found = Event.objects.filter(id__in=[event.id for event in made]).order_by("id")
    assert json.dumps([event.payload for event in found], sort_keys=True) == json.dumps(payloads, sort_keys=True)


@pytest.mark.postgresql
def test_other_lists_are_psycopgs():
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text[], %s::int[], %s::jsonb[]", [['a"\\', None, "{}"], [], []])
        assert cursor.fetchone() == (['a"\\', None, "{}"], [], [])
