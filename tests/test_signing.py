"""The signatures of CONTRACT section 6, against vectors made with Node."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.signing import is_fresh, matches, users_signature, webhook_signature

VECTORS = json.loads((Path(__file__).parent / "data" / "signature-vectors.json").read_text())


def made_from(vector: dict) -> str:
    common = {"secret": vector["secret"], "timestamp": vector["timestamp"]}
    if vector["kind"] == "webhook":
        return webhook_signature(body=vector["body"].encode(), context=vector["context"], **common)
    return users_signature(body=vector["body"].encode(), **common)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_every_vector_made_with_node_verifies(vector):
    assert matches(made_from(vector), vector["signature"])


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
@pytest.mark.parametrize("part", ["secret", "timestamp", "body"])
def test_no_vector_verifies_with_another_part(vector, part):
    assert not matches(made_from({**vector, part: vector[part] + "0"}), vector["signature"])


@pytest.mark.parametrize("given", ["", "zz", "é", "\udcff", "0" * 63, "0" * 65])
def test_hostile_text_is_no_signature(given):
    assert not matches(made_from(VECTORS[0]), given)


@pytest.mark.parametrize(
    ("seconds", "fresh"), [(0, True), (19, True), (-19, True), (21, False), (-21, False), (10**6, False)]
)
def test_a_timestamp_is_fresh_within_the_tolerance_on_both_sides(seconds, fresh):
    now = datetime(2026, 1, 1, tzinfo=UTC)
    moment = str(int((now.timestamp() + seconds) * 1000))
    assert is_fresh(moment, now=now, tolerance=timedelta(seconds=20)) is fresh


@pytest.mark.parametrize("timestamp", ["", "x", "-1", "1e3", "٣", "1" * 400, "nan", " 1"])
def test_what_is_no_number_of_milliseconds_is_never_fresh(timestamp):
    assert not is_fresh(timestamp, now=datetime.fromtimestamp(0, UTC), tolerance=timedelta(seconds=20))
