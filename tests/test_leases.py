"""A delivery that takes long: a live relay keeps its lease, so that no other relay repeats it."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from provisioning import delivery
from provisioning.delivery import claim, renew
from provisioning.models import Delivery, Event
from tests.make import make_tenant
from tests.receiver import Receiver, receiving
from tests.running import relaying
from tests.world import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SHORT = {"EVENT_LEASE": "1"}


@pytest.fixture
def event() -> Event:
    tenant = make_tenant()
    event = Event.objects.create(type="TENANT_CREATED", subject=tenant.id, payload={})
    Delivery.objects.create(event=event, subject=tenant.id, destination="bus:http")
    return event


@pytest.fixture
def slow() -> Iterator[Receiver]:
    """Answers once its gate is opened."""
    with receiving() as receiver:
        receiver.gate.clear()
        yield receiver


def delivered() -> bool:
    return Delivery.objects.get().state == Delivery.State.DELIVERED


def test_an_attempt_that_outlasts_the_lease_is_repeated_by_no_relay(event, slow):
    with relaying(slow.url, **SHORT), relaying(slow.url, **SHORT):
        wait_until(lambda: slow.events)
        time.sleep(3)
        slow.gate.set()
        wait_until(delivered)
    assert slow.ids() == [str(event.event_id)]


def test_nor_while_its_relay_is_told_to_stop(event, slow):
    with relaying(slow.url, **SHORT) as stopping:
        wait_until(lambda: slow.events)
        stopping.terminate()
        with relaying(slow.url, **SHORT):
            time.sleep(4)
            assert stopping.poll() is None
            slow.gate.set()
            assert stopping.wait(20) == 0
    assert slow.ids() == [str(event.event_id)]
    assert delivered()


def test_an_attempt_that_hangs_keeps_its_lease_for_ten_minutes(event, monkeypatch):
    (held,) = claim(1)
    ends = timezone.now()
    Delivery.objects.update(next_attempt_on=ends)
    renew([held])
    assert Delivery.objects.get().next_attempt_on > ends + timedelta(seconds=50)
    now = ends + delivery.HANGING + timedelta(seconds=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    Delivery.objects.update(next_attempt_on=ends)
    renew([held])
    assert Delivery.objects.get().next_attempt_on == ends
    assert [again.attempts for again in claim(1)] == [2]


def test_a_renewal_gives_nobody_back_what_somebody_else_has_or_nobody_any_more(event):
    (late,) = claim(1)
    Delivery.objects.update(next_attempt_on=timezone.now())
    (holder,) = claim(1)
    ends = timezone.now() + timedelta(seconds=5)
    for lease, state in ((holder.lease, Delivery.State.PENDING), (late.lease, Delivery.State.CANCELLED)):
        Delivery.objects.update(next_attempt_on=ends, lease=lease, state=state)
        renew([late])
        assert Delivery.objects.get().next_attempt_on == ends
