"""Delivery by threads and processes of its own: raced, killed in the middle, stopped; nothing is lost."""

import signal
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from urllib3 import Timeout

from provisioning import relay
from provisioning.connectors import http
from provisioning.connectors.base import PublishError
from provisioning.connectors.http import HttpConnector
from provisioning.delivery import attempt, claim, deliver, record
from provisioning.models import Delivery, Event
from tenants.models import Tenant, TenantStatus
from tests.conftest import call_back
from tests.make import make_run, make_tenant
from tests.processes import Process
from tests.receiver import SECRET, receiving
from tests.running import relaying, variables
from tests.world import wait_until


@pytest.mark.django_db(transaction=True)
def test_a_callback_that_arrives_before_the_publish_call_has_returned_is_accepted(bus, monkeypatch):
    run = make_run()
    answers = []
    publish = bus.publish
    monkeypatch.setattr(bus, "publish", lambda message: (answers.append(call_back(run)), publish(message)))
    for delivery in claim(1):
        deliver(delivery)
    assert [answer.status_code for answer in answers] == [204]
    assert Tenant.objects.get().status == TenantStatus.ACTIVE


@pytest.mark.django_db(transaction=True)
def test_four_relays_lose_nothing_repeat_nothing_and_keep_the_order(bus):
    tenants = [make_tenant(status=TenantStatus.ACTIVE) for _ in range(10)]
    written = defaultdict(list)
    for number in range(200):
        tenant = tenants[number % 10]
        event = Event.objects.create(
            type="TENANT_SUSPENDED", subject=tenant.id, payload={"tenant": {"id": str(tenant.id)}}
        )
        Delivery.objects.create(event=event, subject=tenant.id, destination="bus:memory")
        written[str(tenant.id)].append(str(event.event_id))

    def relay_until_empty():
        try:
            while Delivery.objects.filter(state=Delivery.State.PENDING).exists():
                relay.run(threading.Event(), once=True)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=relay_until_empty) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    arrived = defaultdict(list)
    for message in bus.published:
        arrived[message["tenant"]["id"]].append(message["id"])
    assert arrived == written


@pytest.mark.django_db(transaction=True)
def test_deliveries_go_on_while_a_chore_lasts_and_after_one_that_fails(bus, staff, monkeypatch):
    begun, over, stop = [], threading.Event(), threading.Event()

    def chore():
        begun.append(Tenant.objects.count())
        over.wait(30)
        raise ZeroDivisionError

    def relay_until_stopped():
        try:
            relay.run(stop)
        finally:
            connections.close_all()

    monkeypatch.setattr(relay, "MAINTENANCE", [chore])
    monkeypatch.setattr(relay, "MAINTENANCE_SECONDS", 0)
    thread = threading.Thread(target=relay_until_stopped)
    thread.start()
    try:
        wait_until(lambda: begun)
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        assert staff.post(f"/tenants/{tenant.id}/suspend").status_code == 204
        wait_until(delivered)
        assert begun == [0]  # and no second one beside it
        over.set()
        wait_until(lambda: len(begun) > 2)
        Delivery.objects.all().delete()
        assert staff.post(f"/tenants/{tenant.id}/resume").status_code == 204
        wait_until(delivered)
    finally:
        over.set(), stop.set(), thread.join()


@pytest.mark.django_db(transaction=True)
def test_a_delivery_that_is_erased_during_its_attempt_keeps_no_other_from_being_recorded(bus, staff):
    gone, kept = (make_tenant(status=TenantStatus.ACTIVE) for _ in range(2))
    for tenant in (gone, kept):
        assert staff.post(f"/tenants/{tenant.id}/suspend").status_code == 204
    assert staff.delete(f"/tenants/{gone.id}").status_code == 204
    claimed = claim(2)
    bus.failures = [PublishError("away"), PublishError("away")]
    outcomes = [attempt(delivery) for delivery in claimed]
    call_command("purge_deleted", "--older-than", "0", verbosity=0)
    record(outcomes)
    left = Delivery.objects.get(subject=kept.id)
    assert (left.lease, left.last_error, left.failed_attempts.count()) == (None, "away", 1)
    assert not Delivery.objects.filter(subject=gone.id).exists()


@pytest.mark.django_db
def test_a_claim_reads_as_little_behind_an_outage_that_the_statistics_do_not_know_of(bus):
    def add(state):
        events = Event.objects.bulk_create(
            Event(type="TENANT_CREATED", subject=uuid4(), payload={}) for _ in range(3000)
        )
        Delivery.objects.bulk_create(
            Delivery(event=event, subject=event.subject, destination="bus:memory", state=state) for event in events
        )

    add(Delivery.State.DELIVERED)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE deliveries")
        add(Delivery.State.PENDING)
        with CaptureQueriesContext(connection) as captured:
            assert len(claim(32)) == 32
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + captured[0]["sql"])
        ((plan,),) = cursor.fetchone()
    assert plan["Plan"]["Actual Rows"] == 32
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 2_000, plan


@pytest.fixture
def waiting_event(transactional_db) -> Event:
    tenant = make_tenant()
    event = Event.objects.create(type="TENANT_CREATED", subject=tenant.id, payload={})
    Delivery.objects.create(event=event, subject=tenant.id, destination="bus:http")
    return event


def delivered() -> bool:
    return Delivery.objects.get().state == Delivery.State.DELIVERED


def test_a_relay_killed_in_the_middle_of_a_delivery_repeats_it_with_the_same_id(waiting_event):
    with receiving() as receiver:
        receiver.gate.clear()
        with relaying(receiver.url) as victim:
            wait_until(lambda: receiver.events)
            victim.kill()
            victim.wait()
        assert not delivered()
        receiver.gate.set()
        with relaying(receiver.url):
            wait_until(delivered)
        assert receiver.ids() == [str(waiting_event.event_id)] * 2


def test_sigterm_lets_the_delivery_under_way_end(waiting_event):
    with receiving() as receiver:
        receiver.gate.clear()
        with relaying(receiver.url) as process:
            wait_until(lambda: receiver.events)
            process.terminate()
            receiver.gate.set()
            assert process.wait(20) == 0
        assert delivered()


def test_a_web_process_killed_between_commit_and_delivery_loses_nothing(transactional_db):
    code = (
        "import os, signal\n"
        "from provisioning import inline\n"
        "inline.deliver_soon = lambda subject: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from leads.verification import register_lead\n"
        "register_lead(first_name='A', last_name='B', company_name='C', email='a@acme.example')\n"
    )
    with receiving() as receiver:
        environment = variables(receiver.url, EVENT_DELIVERY="inline")
        assert Process("manage.py", "shell", "-c", code, env=environment).wait() == -signal.SIGKILL
        event = Event.objects.get(type="LEAD_CREATED")
        assert receiver.events == []
        with relaying(receiver.url):
            wait_until(lambda: not Delivery.objects.exclude(state=Delivery.State.DELIVERED).exists())
        assert receiver.ids() == [str(event.event_id)]


@pytest.fixture
def answering(settings) -> Iterator[Callable[..., list[socket.socket]]]:
    """Has the http connector's receiver answer with these pieces, a tenth of a second apart; its connections."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def answer(connection: socket.socket, pieces) -> None:
            with suppress(OSError), connection:
                while connection.recv(65_536):
                    for piece in pieces:
                        connection.sendall(piece)
                        time.sleep(0.1)

        def accept(pieces, connections) -> None:
            with suppress(OSError):
                while True:
                    connections.append(server.accept()[0])
                    threading.Thread(target=answer, args=(connections[-1], pieces), daemon=True).start()

        def start(*pieces: bytes) -> list[socket.socket]:
            settings.EVENT_HTTP_URL = f"http://127.0.0.1:{server.getsockname()[1]}/"
            settings.EVENT_HTTP_SECRET = SECRET
            connections: list[socket.socket] = []
            threading.Thread(target=accept, args=(pieces, connections), daemon=True).start()
            return connections

        yield start
        server.shutdown(socket.SHUT_RDWR)


def test_an_answer_whose_body_drips_holds_nobody_up(answering):
    answering(b"HTTP/1.1 200 OK\r\nContent-Length: 300\r\n\r\n", *[b"x"] * 300)
    begun = time.monotonic()
    HttpConnector().publish({"id": "1", "type": "T"})
    assert time.monotonic() - begun < 15  # of thirty seconds


def test_an_answer_whose_head_drips_holds_nobody_up(answering, monkeypatch):
    monkeypatch.setattr(http, "TIMEOUT", Timeout(connect=1, read=0.5))
    answering(b"HTTP/1.1 200 OK\r\n", *[b"X-A: b\r\n"] * 300, b"Content-Length: 0\r\n\r\n")
    begun = time.monotonic()
    with pytest.raises(PublishError, match="ReadTimeoutError"):
        HttpConnector().publish({"id": "1", "type": "T"})
    assert time.monotonic() - begun < 15  # of thirty seconds


@pytest.mark.parametrize(
    ("head", "body", "connections"),
    [
        (b"204 No Content\r\n\r\n", b"", 1),
        (b"200 OK\r\nContent-Length: 0\r\n\r\n", b"", 1),
        (b"200 OK\r\nContent-Length: 2\r\n\r\n", b"ok", 1),
        (b"200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x" * 1_000_000, 2),
        (b"200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", b"no chunk", 2),
    ],
)
def test_a_connection_is_kept_behind_a_short_answer_alone(answering, head, body, connections):
    seen = answering(b"HTTP/1.1 " + head, body)
    connector = HttpConnector()
    for _ in range(2):
        connector.publish({"id": "1", "type": "T"})
    wait_until(lambda: len(seen) == connections)


@pytest.mark.parametrize(
    ("name", "longest"),
    [("http", 35), ("sqs", 58), ("eventbridge", 58), ("codebuild", 58), ("redis", 15), ("local", 42)],
)
def test_a_lease_that_is_no_longer_than_an_inline_attempt_may_take_is_warned_of(aws, settings, name, longest):
    settings.EVENT_CONNECTORS, settings.DEMO_BUILD_SECONDS = ["log", name], 2
    settings.EVENT_HTTP_URL = settings.EVENT_SQS_QUEUE_URL = "http://127.0.0.1:1/"
    settings.EVENT_HTTP_SECRET, settings.SILOED_PIPELINE, settings.POOLED_PIPELINE = SECRET, "silo", "pool"
    for delivery, seconds, warnings in (("inline", longest, 1), ("inline", longest + 1, 0), ("relay", longest, 0)):
        settings.EVENT_DELIVERY, settings.EVENT_LEASE = delivery, timedelta(seconds=seconds)
        assert [warning.id for warning in run_checks()].count("tenantry.W005") == warnings


@pytest.mark.django_db
def test_the_log_connector_tells_of_an_event_without_its_secret(caplog):
    from provisioning.connectors.log import LogConnector

    run = make_run()
    message = {"id": "1", "type": "T", "tenant": {"id": str(run.tenant_id)}, "secret": run.secret}
    with caplog.at_level("INFO"):
        LogConnector().publish(message)
    assert str(run.tenant_id) in caplog.text
    assert run.secret not in caplog.text
