"""EventBridge that throttles, refuses, or does not answer: what becomes of calls, and of events."""

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from uuid import uuid4

import pytest

from provisioning.connectors import aws
from provisioning.connectors.base import PublishError
from provisioning.connectors.eventbridge import EventBridgeConnector
from provisioning.models import Delivery, Event
from tests.cloud import Bus, bus_in_trouble
from tests.running import relaying
from tests.world import wait_until

MESSAGE = {"id": "33f59bf9-17c6-464b-b744-967dfbffe878", "type": "TENANT_CREATED"}


@pytest.fixture
def trouble(monkeypatch):
    """EventBridge as our clients find it."""
    with bus_in_trouble() as bus:
        monkeypatch.setenv("AWS_ENDPOINT_URL", bus.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        yield bus


def timed_publish(connector: EventBridgeConnector) -> tuple[float, PublishError]:
    begun = time.monotonic()
    with pytest.raises(PublishError) as caught:
        connector.publish(MESSAGE)
    return time.monotonic() - begun, caught.value


def test_a_call_ends_in_time_however_many_wait_for_aws_that_throttles(trouble: Bus, settings, monkeypatch, caplog):
    monkeypatch.setattr(aws, "TURN", 0.3)
    trouble.error = lambda: time.sleep(0.2) or "ThrottlingException"
    connector = EventBridgeConnector()
    with ThreadPoolExecutor(settings.RELAY_CONCURRENCY) as hands:
        ended = list(hands.map(lambda _: timed_publish(connector), range(settings.RELAY_CONCURRENCY)))
    assert max(took for took, _ in ended) < 2 * (0.3 + aws.TOKEN) + 3  # the pause of a second, and slow machines
    assert not any(error.permanent for _, error in ended)
    assert "pool is full" not in caplog.text
    trouble.error = str
    connector.publish(MESSAGE)
    assert trouble.taken == [MESSAGE]


def test_a_call_that_is_not_answered_ends_in_time(trouble: Bus, monkeypatch):
    monkeypatch.setattr(aws, "READ", 0.2)
    trouble.error = lambda: time.sleep(3) or ""
    took, error = timed_publish(EventBridgeConnector())
    assert took < 2
    assert str(error) == "AWS cannot be reached: ReadTimeoutError."
    assert trouble.calls == aws.ATTEMPTS


@pytest.mark.parametrize(
    ("code", "permanent", "calls"),
    [
        ("ValidationException", True, 1),
        ("InvalidParameterValue", True, 1),
        ("AccessDeniedException", False, 1),
        ("ThrottlingException", False, 2),
        ("InternalException", False, 2),
    ],
)
def test_what_aws_refuses_is_called_again_and_tried_again_where_that_can_help(trouble: Bus, code, permanent, calls):
    trouble.error = lambda: code
    _, error = timed_publish(EventBridgeConnector())
    assert (str(error), error.permanent, trouble.calls) == (f"AWS refused: {code}.", permanent, calls)


@pytest.mark.django_db(transaction=True)
def test_throttling_delays_events_and_live_relays_repeat_none_and_keep_the_order(trouble: Bus):
    written, arrived = defaultdict(list), defaultdict(list)
    for subject in [uuid4() for _ in range(20)] * 2:
        payload = {"tenant": {"id": str(subject)}}
        event = Event.objects.create(type="TENANT_CREATED", subject=subject, payload=payload)
        Delivery.objects.create(event=event, subject=subject, destination="bus:eventbridge")
        written[str(subject)].append(str(event.event_id))
    well_from = time.monotonic() + 8
    trouble.error = lambda: "ThrottlingException" if time.monotonic() < well_from else ""
    with ExitStack() as relays:
        for _ in range(2):
            relays.enter_context(relaying("", EVENT_CONNECTOR="eventbridge", EVENT_LEASE="1", EVENT_BACKOFF_MAX="500"))
        wait_until(lambda: not Delivery.objects.filter(state=Delivery.State.PENDING).exists())
    for message in trouble.taken:
        arrived[message["tenant"]["id"]].append(message["id"])
    assert arrived == written
