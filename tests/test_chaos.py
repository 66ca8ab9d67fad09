"""What `make chaos` does at length, for seconds: outages and SIGKILL lose nothing."""

import pytest

from tests import chaos

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_outage_and_poison_delay_events_and_lose_none():
    chaos.outage(events=200, down_for=1, patience=150)


def test_four_relays_share_the_work_without_a_repeat():
    chaos.relays(events=500, patience=150)


def test_relays_that_are_killed_repeat_and_lose_none():
    killed, _ = chaos.relays(events=600, count=2, kill_every=1, patience=180)
    assert killed


def test_customers_who_repeat_themselves_get_one_tenant_each_whatever_is_killed(tmp_path):
    web, relay = chaos.sign_ups(flows=16, kill_every=1, folder=tmp_path, patience=240)
    assert web + relay
