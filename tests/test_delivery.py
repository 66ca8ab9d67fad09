"""The outbox: nothing lost, nothing reordered, nothing sent that was rolled back, no secret in a row."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.utils import timezone
from standardwebhooks import Webhook

from provisioning import relay
from provisioning.connectors.base import PublishError
from provisioning.delivery import backoff, cancel, claim, deliver
from provisioning.models import Delivery, Event, ProvisioningRun
from provisioning.requests import request_provisioning
from tenants.models import Tenant, TenantStatus
from tests.conftest import call_back
from tests.make import SUBSCRIPTION, make_address, make_contact, make_run, make_tenant
from tests.world import ROOT, wait_until

WHSEC = "whsec_dGVzdC1zaWduaW5nLXNlY3JldC1vZi10aGUtdGVzdHM="


def due_now() -> None:
    """Let every waiting delivery be tried at once."""
    Delivery.objects.filter(state=Delivery.State.PENDING).update(next_attempt_on=timezone.now(), lease=None)


@contextmanager
def sink(*, delay: float = 0, port: int = 0):
    """A receiver of Standard Webhooks: its address, and the events whose signature held, when their calls began."""
    events: list[dict] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            events.append(Webhook(WHSEC).verify(body, {name.lower(): value for name, value in self.headers.items()}))
            time.sleep(delay)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            """Nobody reads its log."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    server.handle_error = lambda *_: None  # a sender that was killed
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", events
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.django_db
class TestAnEvent:
    def test_is_written_in_the_transaction_of_the_change_and_rolled_back_with_it(self):
        tenant = make_tenant()
        with transaction.atomic():
            request_provisioning(tenant_id=tenant.id, subscription=SUBSCRIPTION, actor=None)
            transaction.set_rollback(True)
        assert not Event.objects.exists()
        assert not Delivery.objects.exists()
        assert not ProvisioningRun.objects.exists()
        assert Tenant.objects.get().status == TenantStatus.PENDINGPROVISION

    def test_has_exactly_the_keys_of_the_contract(self, relayed, settings):
        settings.SILOED_PIPELINE, settings.POOLED_PIPELINE = "silo-project", "pool-project"
        tenant = make_tenant(address=make_address())
        make_contact(tenant, is_primary=True)
        run = make_run(tenant)
        (message,) = relayed()
        assert set(message) == {
            "id", "type", "time", "tenant", "subscription", "isolation", "pipeline", "secret", "context",
            "callbackUrl", "usersUrl",
        }  # fmt: skip
        assert (message["isolation"], message["pipeline"]) == ("silo", "silo-project")
        assert (message["secret"], message["context"]) == (run.secret, str(run.context))
        assert len(message["secret"]) == 64
        assert message["callbackUrl"] == f"{settings.PUBLIC_URL}/webhook"
        assert not {"createdOn", "modifiedBy", "deleted"} & set(message["tenant"])
        assert message["tenant"]["contacts"][0]["email"] == "ada@acme.example"
        assert message["tenant"]["address"]["country"] == "GB"

    def test_is_pooled_for_the_other_tiers(self, relayed, settings):
        settings.POOLED_PIPELINE = "pool-project"
        subscription = {"id": "s", "plan": {"tier": "BASIC"}}
        request_provisioning(tenant_id=make_tenant().id, subscription=subscription, actor=None)
        (message,) = relayed()
        assert (message["isolation"], message["pipeline"]) == ("pooled", "pool-project")

    def test_of_every_step_is_published_and_only_two_carry_a_secret(self, relayed, staff):
        run = make_run()
        call_back(run)
        for move in ("suspend", "resume", "deprovision"):
            assert staff.post(f"/tenants/{run.tenant_id}/{move}").status_code == 204
        call_back(run.tenant.runs.get(state=ProvisioningRun.State.OPEN))
        relayed()
        published = relayed()
        assert [message["type"] for message in published if "secret" in message] == []  # the runs are over by now
        assert [event.type for event in Event.objects.order_by("id")] == [
            "TENANT_PROVISIONING", "TENANT_PROVISIONING_SUCCESS", "TENANT_SUSPENDED", "TENANT_RESUMED",
            "TENANT_DEPROVISIONING", "TENANT_DEPROVISIONED",
        ]  # fmt: skip

    def test_keeps_its_secret_out_of_every_row(self):
        run = make_run()
        rows = str(list(Event.objects.values())) + str(list(Delivery.objects.values()))
        with connection.cursor() as cursor:
            cursor.execute("SELECT secret FROM provisioning_runs")
            stored = cursor.fetchone()[0]
        assert run.secret not in rows + stored
        assert str(run.context) not in rows

    def test_goes_on_the_bus_only_when_the_setting_names_its_type(self, settings):
        settings.EVENTS_ON_BUS = ["TENANT_PROVISIONING"]
        call_back(make_run())
        bus = Delivery.objects.filter(destination__startswith="bus:")
        assert [delivery.event.type for delivery in bus] == ["TENANT_PROVISIONING"]


@pytest.mark.django_db
class TestADelivery:
    def test_that_fails_ten_times_arrives_in_order_with_the_same_id(self, bus, relayed):
        run = make_run()
        first = Event.objects.get()
        bus.failures = [PublishError("away") for _ in range(10)]
        for _ in range(10):
            assert relayed() == []
            due_now()
        request_provisioning(tenant_id=make_tenant().id, subscription=SUBSCRIPTION, actor=None)
        published = relayed()
        assert [message["id"] for message in published][0] == str(first.event_id)
        assert Delivery.objects.get(event=first).attempts == 11
        assert run.tenant_id == first.subject

    def test_waits_for_an_earlier_one_of_its_subject_but_not_for_others(self, bus, relayed, staff):
        run = make_run()
        other = make_tenant(status=TenantStatus.ACTIVE)
        bus.failures = [PublishError("away")]
        relayed()
        ProvisioningRun.objects.filter(id=run.id).update(state=ProvisioningRun.State.OPEN)
        Tenant.objects.filter(id=run.tenant_id).update(status=TenantStatus.ACTIVE)
        staff.post(f"/tenants/{run.tenant_id}/suspend")
        staff.post(f"/tenants/{other.id}/suspend")
        assert [message["tenant"]["id"] for message in relayed()] == [str(other.id)]
        due_now()
        types = [message["type"] for message in relayed()][1:]
        assert types == ["TENANT_PROVISIONING", "TENANT_SUSPENDED"]

    @pytest.mark.parametrize("permanent", [True, False])
    def test_ends_in_the_dead_letter_and_can_be_replayed_with_the_same_id(self, bus, relayed, settings, permanent):
        settings.EVENT_MAX_ATTEMPTS = 3
        make_run()
        attempts = 1 if permanent else 3
        bus.failures = [PublishError("no", permanent=permanent) for _ in range(attempts)]
        for _ in range(attempts):
            relayed()
            due_now()
        dead = Delivery.objects.get()
        assert (dead.state, dead.last_error, dead.attempts) == (Delivery.State.DEAD, "no", attempts)
        assert relayed() == []
        call_command("replay_events", "--dead", verbosity=0)
        (message,) = relayed()
        assert message["id"] == str(dead.event.event_id)

    def test_that_is_dead_blocks_nothing_behind_it(self, bus, relayed, staff):
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        staff.post(f"/tenants/{tenant.id}/suspend")
        bus.failures = [PublishError("poison", permanent=True)]
        relayed()
        staff.post(f"/tenants/{tenant.id}/resume")
        assert [message["type"] for message in relayed()] == ["TENANT_RESUMED"]

    def test_of_a_run_that_is_over_is_cancelled(self, relayed):
        run = make_run()
        run.close(ProvisioningRun.State.FAILED)
        assert relayed() == []
        assert Delivery.objects.get().state == Delivery.State.CANCELLED

    def test_renews_the_life_of_the_secret(self, relayed):
        run = make_run()
        ProvisioningRun.objects.update(expires_at=timezone.now() - timedelta(hours=1))
        relayed()
        run.refresh_from_db()
        assert run.is_live

    def test_is_leased_to_one_and_a_holder_whose_lease_has_ended_marks_nothing(self, bus):
        make_run()
        (held,) = claim(10)
        assert claim(10) == []
        due_now()
        (again,) = claim(10)
        assert again.attempts == 2
        deliver(held)  # late, but at least once is what was promised
        assert Delivery.objects.get().state == Delivery.State.PENDING
        deliver(again)
        assert Delivery.objects.get().state == Delivery.State.DELIVERED
        assert len({message["id"] for message in bus.published}) == 1

    def test_can_be_cancelled(self, relayed):
        make_run()
        assert cancel(Delivery.objects.all()) == 1
        assert relayed() == []


def test_backoff_doubles_up_to_its_ceiling_with_jitter(settings):
    settings.EVENT_BACKOFF_BASE, settings.EVENT_BACKOFF_MAX = timedelta(seconds=1), timedelta(seconds=60)
    for attempts, ceiling in ((1, 1), (2, 2), (5, 16), (7, 60), (1000, 60)):
        waits = {backoff(attempts).total_seconds() for _ in range(50)}
        assert ceiling / 2 <= min(waits) < max(waits) <= ceiling


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


def processes_environment(url: str, **values: str) -> dict[str, str]:
    """For processes that share the test's database."""
    return os.environ | {
        "DB_DATABASE": connection.settings_dict["NAME"], "EVENT_CONNECTOR": "http", "EVENT_HTTP_URL": url,
        "EVENT_HTTP_SECRET": WHSEC, "EVENT_LEASE": "2", **values,
    }  # fmt: skip


def start_relay(url: str) -> subprocess.Popen:
    command = [sys.executable, ROOT / "manage.py", "relay"]
    return subprocess.Popen(command, env=processes_environment(url), stdout=subprocess.DEVNULL)


@pytest.fixture
def waiting_event(transactional_db) -> Event:
    tenant = make_tenant()
    event = Event.objects.create(type="TENANT_CREATED", subject=tenant.id, payload={})
    Delivery.objects.create(event=event, subject=tenant.id, destination="bus:http")
    return event


def delivered() -> bool:
    return Delivery.objects.get().state == Delivery.State.DELIVERED


def test_a_relay_killed_in_the_middle_of_a_delivery_repeats_it_with_the_same_id(waiting_event):
    with sink(delay=30) as (slow, begun):
        victim = start_relay(slow)
        wait_until(lambda: begun)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        assert not delivered()
        port = int(slow.rstrip("/").rpartition(":")[2])
    with sink(port=port) as (url, arrived):
        successor = start_relay(url)
        wait_until(delivered)
        successor.terminate()
        assert successor.wait(20) == 0
    assert begun[0]["id"] == arrived[0]["id"] == str(waiting_event.event_id)
    assert len(arrived) == 1


def test_sigterm_lets_the_delivery_under_way_end(waiting_event):
    with sink(delay=1.5) as (url, begun):
        process = start_relay(url)
        wait_until(lambda: begun)
        process.terminate()
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
    with sink() as (url, arrived):
        environment = processes_environment(url, EVENT_DELIVERY="inline")
        command = [sys.executable, ROOT / "manage.py", "shell", "-c", code]
        assert subprocess.run(command, env=environment, capture_output=True).returncode == -signal.SIGKILL
        event = Event.objects.get(type="LEAD_CREATED")
        assert arrived == []
        successor = start_relay(url)
        wait_until(lambda: not Delivery.objects.exclude(state=Delivery.State.DELIVERED).exists())
        successor.terminate()
        successor.wait(20)
    assert [message["id"] for message in arrived] == [str(event.event_id)]


@pytest.mark.django_db
def test_the_log_connector_tells_of_an_event_without_its_secret(caplog):
    from provisioning.connectors.log import LogConnector

    run = make_run()
    message = {"id": "1", "type": "T", "tenant": {"id": str(run.tenant_id)}, "secret": run.secret}
    with caplog.at_level("INFO"):
        LogConnector().publish(message)
    assert str(run.tenant_id) in caplog.text
    assert run.secret not in caplog.text
