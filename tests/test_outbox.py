"""The outbox: an event is written with what it tells of, says what the contract says, and arrives or is given up."""

import json
import re
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from config.encryption import decrypt
from leads.models import Lead
from leads.signals import lead_created
from provisioning import events
from provisioning.connectors.base import PublishError
from provisioning.delivery import backoff, cancel, claim, deliver, replay
from provisioning.messages import AUDIT_KEYS
from provisioning.models import Delivery, Event, ProvisioningRun
from provisioning.requests import fail_run
from tenants.models import Tenant, TenantStatus
from tenants.signals import tenant_created, tenant_provisioned, tenant_suspended
from tests.conftest import Caller, assert_error, call_back, report, signed
from tests.make import SUBSCRIPTION, make_address, make_contact, make_lead, make_run, make_tenant, sign_up_body
from tests.world import wait_until

State = Delivery.State
REQUEST_KEYS = {
    "id", "type", "time", "tenant", "subscription", "isolation", "pipeline", "secret", "context", "callbackUrl",
    "usersUrl",
}  # fmt: skip
TENANT_KEYS = {
    "id", "name", "status", "key", "spocUserId", "domains", "leadId", "addressId", "contacts", "address",
}  # fmt: skip
JOURNEY = [
    "LEAD_CREATED", "LEAD_VERIFIED", "TENANT_CREATED", "TENANT_PROVISIONING", "TENANT_PROVISIONING_FAILURE",
    "TENANT_PROVISIONING", "TENANT_PROVISIONING_SUCCESS", "TENANT_SUSPENDED", "TENANT_RESUMED",
    "TENANT_DEPROVISIONING", "TENANT_DEPROVISIONED",
]  # fmt: skip
REQUESTS = ("TENANT_PROVISIONING", "TENANT_DEPROVISIONING")


def open_run(tenant_id: Any) -> ProvisioningRun:
    return ProvisioningRun.objects.open().get(tenant_id=tenant_id)


def due_now() -> None:
    """Let every waiting delivery be tried at once, as if its wait or its lease had ended."""
    Delivery.objects.filter(state=State.PENDING).update(next_attempt_on=timezone.now())


def bus_states() -> list[tuple[str, int]]:
    rows = Delivery.objects.filter(destination="bus:memory").order_by("id")
    return [(delivery.event.type, delivery.state) for delivery in rows]


@pytest.fixture
def travel(anyone, staff, relayed, settings) -> Callable[[], list[dict[str, Any]]]:
    """Take somebody from the sign-up to the deprovisioned tenant over HTTP; what was published on the way."""

    def go() -> list[dict[str, Any]]:
        body = sign_up_body(email="ada@acme.example", address={"city": "London", "country": "GB"})
        lead_id = anyone.post("/leads", body).json()["id"]
        relayed()
        key = re.search(r"\?code=(\w+)", mail.outbox[0].body)[1]
        token = Caller(key).post(f"/leads/{lead_id}/verify").json()["token"]
        body = {"key": "acme", "domains": ["acme.example"]}
        tenant_id = Caller(token).post(f"/leads/{lead_id}/tenants", body).json()["id"]
        for success in (0, 1):
            assert staff.post(f"/tenants/{tenant_id}/provision", SUBSCRIPTION).status_code == 204
            relayed()
            run = open_run(tenant_id)
            assert call_back(run, report(run, status=success)).status_code == 204
        for move in ("suspend", "resume", "deprovision"):
            assert staff.post(f"/tenants/{tenant_id}/{move}").status_code == 204
        relayed()
        assert call_back(open_run(tenant_id)).status_code == 204
        return relayed()

    return go


@contextmanager
def failing(signal):
    """While the block runs, a receiver that stands behind ours raises."""

    def fail(**_):
        raise RuntimeError("of the test")

    signal.connect(fail, weak=False)
    try:
        yield
    finally:
        signal.disconnect(fail)


@pytest.mark.django_db
class TestTheTransaction:
    """The test client answers a defect with 500, as the service does."""

    def test_of_a_sign_up_that_fails_takes_the_event_with_it(self, anyone):
        with failing(lead_created):
            assert_error(anyone.post("/leads", sign_up_body()), 500)
        assert not Lead.objects.exists()
        assert not Event.objects.exists()
        assert not Delivery.objects.exists()

    def test_of_an_onboarding_that_fails_takes_the_event_with_it(self, staff):
        contact = {"firstName": "A", "lastName": "B", "email": "a@acme.example", "isPrimary": True}
        body = {"contact": contact, "name": "Acme", "key": "acme", "domains": ["acme.example"]}
        with failing(tenant_created):
            assert_error(staff.post("/tenants", body), 500)
        assert not Tenant.objects.exists()
        assert not Event.objects.exists()
        assert not Delivery.objects.exists()
        assert staff.post("/tenants", body).status_code == 200
        assert [(event.type, event.deliveries.count()) for event in Event.objects.all()] == [("TENANT_CREATED", 1)]

    def test_of_a_provision_that_fails_takes_event_secret_and_status_with_it(self, staff, monkeypatch):
        record = events.record

        def record_and_fail(*args, **kwargs):
            record(*args, **kwargs)
            raise RuntimeError("of the test")

        tenant = make_tenant()
        with monkeypatch.context() as patch:
            patch.setattr("provisioning.requests.events.record", record_and_fail)
            assert_error(staff.post(f"/tenants/{tenant.id}/provision", SUBSCRIPTION), 500)
        assert not Event.objects.exists()
        assert not Delivery.objects.exists()
        assert not ProvisioningRun.objects.exists()
        assert Tenant.objects.get().status == TenantStatus.PENDINGPROVISION

    def test_of_a_callback_that_fails_takes_event_and_mail_with_it(self):
        run = make_run()
        before = Delivery.objects.count()
        with failing(tenant_provisioned):
            assert_error(call_back(run), 500)
        assert list(Event.objects.values_list("type", flat=True)) == ["TENANT_PROVISIONING"]
        assert Delivery.objects.count() == before
        assert Tenant.objects.get().status == TenantStatus.PROVISIONING
        assert call_back(run).status_code == 204

    def test_of_a_suspension_that_fails_takes_the_event_with_it(self, staff):
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        with failing(tenant_suspended):
            assert_error(staff.post(f"/tenants/{tenant.id}/suspend"), 500)
        assert not Event.objects.exists()
        assert not Delivery.objects.exists()
        assert Tenant.objects.get().status == TenantStatus.ACTIVE

    @pytest.mark.django_db(transaction=True)
    def test_must_be_there(self):
        with pytest.raises(transaction.TransactionManagementError):
            events.record(events.TENANT_CREATED, subject=uuid.uuid4(), payload={})
        assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestInlineDelivery:
    def test_is_attempted_after_the_commit_without_a_relay(self, bus, anyone, settings):
        settings.EVENT_DELIVERY = "inline"
        assert anyone.post("/leads", sign_up_body()).status_code == 200
        wait_until(lambda: Delivery.objects.filter(state=State.DELIVERED).count() == 2)
        assert [message["type"] for message in bus.published] == ["LEAD_CREATED"]
        assert len(mail.outbox) == 1

    def test_sends_nothing_of_what_was_rolled_back(self, bus, anyone, settings, monkeypatch):
        settings.EVENT_DELIVERY = "inline"
        asked = []
        monkeypatch.setattr("provisioning.inline.deliver_soon", asked.append)
        with failing(lead_created):
            assert_error(anyone.post("/leads", sign_up_body()), 500)
        assert asked == []
        id = anyone.post("/leads", sign_up_body()).json()["id"]
        assert asked == [uuid.UUID(id)]

    def test_is_left_to_the_relay_where_the_setting_says_so(self, bus, anyone, settings, monkeypatch):
        settings.EVENT_DELIVERY = "relay"
        asked = []
        monkeypatch.setattr("provisioning.inline.deliver_soon", asked.append)
        assert anyone.post("/leads", sign_up_body()).status_code == 200
        assert asked == []
        assert Delivery.objects.filter(state=State.PENDING, attempts=0).count() == 2


@pytest.mark.django_db
class TestAMessage:
    def test_leaves_for_every_step_in_order_with_an_id_of_its_own(self, travel):
        published = travel()
        assert [message["type"] for message in published] == JOURNEY
        stored = {str(event.event_id): event for event in Event.objects.order_by("id")}
        assert [message["id"] for message in published] == list(stored)
        for message in published:
            assert message["time"].endswith("Z")
            assert datetime.fromisoformat(message["time"]) == stored[message["id"]].occurred_on
        statuses = [message["tenant"]["status"] for message in published if "tenant" in message]
        assert statuses == [1, 2, 3, 2, 0, 5, 0, 4, 5]

    def test_has_exactly_the_keys_of_the_contract(self, travel):
        extra = {"TENANT_PROVISIONING_FAILURE": {"reason"}, "TENANT_PROVISIONING_SUCCESS": {"appPlaneUrl"}}
        for message in travel():
            if message["type"] in REQUESTS:
                assert set(message) == REQUEST_KEYS
            else:
                about = "lead" if message["type"].startswith("LEAD") else "tenant"
                assert set(message) == {"id", "type", "time", about} | extra.get(message["type"], set())

    def test_tells_the_tenant_with_contacts_and_address_and_without_audit_fields(self, travel):
        published = travel()
        leads = [message["lead"] for message in published if "lead" in message]
        assert [lead["isValidated"] for lead in leads] == [False, True]
        tenants = [message["tenant"] for message in published if "tenant" in message]
        assert len(tenants) == 9
        for tenant in tenants:
            assert set(tenant) == TENANT_KEYS
            assert (tenant["key"], tenant["domains"], tenant["name"]) == ("acme", ["acme.example"], "Acme Ltd")
            (contact,) = tenant["contacts"]
            assert (contact["email"], contact["isPrimary"]) == ("ada@acme.example", True)
            assert (tenant["address"]["city"], tenant["address"]["country"]) == ("London", "GB")
        texts = json.dumps(published)
        assert not [key for key in AUDIT_KEYS if f'"{key}"' in texts]

    def test_leaves_deleted_contacts_out_and_has_null_for_no_address(self, relayed, staff):
        tenant = make_tenant()
        make_contact(tenant, email="kept@acme.example")
        staff.delete(f"/contacts/{make_contact(tenant, email='gone@acme.example').id}")
        make_run(tenant)
        (message,) = relayed()
        assert [contact["email"] for contact in message["tenant"]["contacts"]] == ["kept@acme.example"]
        assert message["tenant"]["address"] is None

    @pytest.mark.parametrize(
        ("tier", "isolation", "pipeline"),
        [
            ("PREMIUM", "silo", "silo-project"),
            ("premium", "silo", "silo-project"),
            ("STANDARD", "pooled", "pool-project"),
            ("basic", "pooled", "pool-project"),
        ],
    )
    def test_names_isolation_and_pipeline_by_the_tier(self, relayed, staff, settings, tier, isolation, pipeline):
        settings.SILOED_PIPELINE, settings.POOLED_PIPELINE = "silo-project", "pool-project"
        tenant = make_tenant()
        body = {"id": "s-1", "plan": {"tier": tier, "sizeConfig": {"cpu": 2}}}
        assert staff.post(f"/tenants/{tenant.id}/provision", body).status_code == 204
        relayed()
        call_back(open_run(tenant.id))
        staff.post(f"/tenants/{tenant.id}/deprovision")
        asked = [message for message in relayed() if message["type"] in REQUESTS]
        assert [message["type"] for message in asked] == list(REQUESTS)
        for message in asked:
            assert (message["isolation"], message["pipeline"]) == (isolation, pipeline)
            assert message["subscription"]["id"] == "s-1"
            assert message["subscription"]["plan"] == {"tier": tier.upper(), "sizeConfig": {"cpu": 2}}

    def test_has_the_addresses_and_a_secret_of_its_run_that_opens_the_webhook(self, travel, settings):
        settings.PUBLIC_URL = "https://control.example"
        asked = [message for message in travel() if message["type"] in REQUESTS]
        runs = list(ProvisioningRun.objects.order_by("created_on"))
        assert len(runs) == 3
        assert [message["secret"] for message in asked] == [run.secret for run in runs]
        assert [message["context"] for message in asked] == [str(run.context) for run in runs]
        assert len({message["secret"] for message in asked} | {message["context"] for message in asked}) == 6
        for message in asked:
            assert re.fullmatch("[0-9a-f]{64}", message["secret"])
            assert message["callbackUrl"] == "https://control.example/webhook"
            assert message["usersUrl"] == "https://control.example/manage/users"

    def test_keeps_secret_context_and_key_out_of_every_queue_row(self, travel):
        asked = [message for message in travel() if message["type"] in REQUESTS]
        key = re.search(r"\?code=(\w+)", mail.outbox[0].body)[1]
        rows = {}
        with connection.cursor() as cursor:
            for table in ("events", "deliveries", "provisioning_runs"):
                cursor.execute(f"SELECT t::text FROM {table} t")
                rows[table] = "".join(row for (row,) in cursor.fetchall())
            cursor.execute("SELECT secret FROM provisioning_runs ORDER BY created_on")
            raw = [secret for (secret,) in cursor.fetchall()]
        assert "TENANT_DEPROVISIONED" in rows["events"]
        for message in asked:
            assert message["secret"] not in "".join(rows.values())
            assert message["context"] not in rows["events"] + rows["deliveries"]
        assert key not in "".join(rows.values())
        assert [decrypt(secret) for secret in raw] == [message["secret"] for message in asked]

    def test_goes_on_the_bus_only_when_the_setting_names_its_type(self, travel, settings):
        settings.EVENTS_ON_BUS = ["TENANT_CREATED", "TENANT_SUSPENDED"]
        assert [message["type"] for message in travel()] == ["TENANT_CREATED", "TENANT_SUSPENDED"]
        assert [event.type for event in Event.objects.order_by("id")] == JOURNEY
        assert [message.to for message in mail.outbox] == [["ada@acme.example"]] * 2


@pytest.fixture
def suspended(staff) -> Callable[..., Tenant]:
    """A tenant with the pending events of as many moves as asked for: suspend, resume, suspend …"""

    def make(moves: int = 1) -> Tenant:
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        for number in range(moves):
            assert staff.post(f"/tenants/{tenant.id}/{('suspend', 'resume')[number % 2]}").status_code == 204
        return tenant

    return make


@pytest.mark.django_db
class TestAFailure:
    def test_repeated_ten_times_delays_and_then_all_arrives_in_order_under_its_id(self, bus, relayed, suspended):
        suspended(3)
        ids = [str(event.event_id) for event in Event.objects.order_by("id")]
        bus.failures = [PublishError("away") for _ in range(10)]
        for attempt in range(1, 11):
            assert relayed() == []
            first, *others = Delivery.objects.order_by("id")
            assert (first.state, first.attempts, first.last_error) == (State.PENDING, attempt, "away")
            assert [other.attempts for other in others] == [0, 0]
            due_now()
        assert [message["id"] for message in relayed()] == ids
        assert list(Delivery.objects.order_by("id").values_list("attempts", "state")) == [
            (11, State.DELIVERED), (1, State.DELIVERED), (1, State.DELIVERED),
        ]  # fmt: skip

    def test_is_followed_by_waits_that_double_up_to_the_ceiling(self, bus, relayed, suspended, settings, monkeypatch):
        settings.EVENT_BACKOFF_BASE, settings.EVENT_BACKOFF_MAX = timedelta(seconds=10), timedelta(seconds=60)
        monkeypatch.setattr("provisioning.delivery.random.uniform", lambda _, most: most)
        suspended()
        bus.failures = [PublishError("away") for _ in range(6)]
        waits = []
        for _ in range(6):
            relayed()
            delivery = Delivery.objects.get()
            assert delivery.lease is None
            waits.append((delivery.next_attempt_on - timezone.now()).total_seconds())
            due_now()
        assert waits == pytest.approx([10, 20, 40, 60, 60, 60], abs=5)

    def test_is_not_tried_again_before_its_wait_is_over(self, bus, relayed, suspended):
        suspended()
        bus.failures = [PublishError("away")]
        relayed()
        assert relayed() == []
        assert Delivery.objects.get().attempts == 1

    def test_that_is_permanent_is_the_end_at_once(self, bus, relayed, suspended):
        suspended()
        bus.failures = [PublishError("no such bus", permanent=True)]
        assert relayed() == []
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.attempts, delivery.last_error) == (State.DEAD, 1, "no such bus")
        assert delivery.finished_on is not None
        due_now()
        assert relayed() == []

    def test_is_the_end_after_the_last_attempt(self, bus, relayed, suspended, settings):
        settings.EVENT_MAX_ATTEMPTS = 3
        suspended()
        bus.failures = [PublishError(f"away {number}") for number in range(5)]
        for state in (State.PENDING, State.PENDING, State.DEAD, State.DEAD):
            relayed()
            assert Delivery.objects.get().state == state
            due_now()
        assert Delivery.objects.get().last_error == "away 2"
        assert len(bus.failures) == 2

    def test_that_is_a_defect_surfaces_and_the_lease_ends_by_itself(self, bus, relayed, suspended):
        suspended()
        bus.failures = [ZeroDivisionError()]
        with pytest.raises(ZeroDivisionError):
            relayed()
        assert relayed() == []
        due_now()
        assert len(relayed()) == 1

    def test_whose_last_attempt_broke_off_ends_too(self, bus, relayed, suspended, settings):
        settings.EVENT_MAX_ATTEMPTS = 1
        suspended()
        assert len(claim(10)) == 1  # by a process that dies
        due_now()
        assert relayed() == []
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.last_error) == (State.DEAD, "The last attempt broke off.")

    def test_holds_up_its_own_subject_and_no_other(self, bus, relayed, suspended):
        poisoned, healthy = suspended(2), suspended(2)
        bus.failures = [PublishError("poison")]
        subjects = [message["tenant"]["id"] for message in relayed()]
        assert subjects == [str(healthy.id)] * 2
        due_now()
        behind = [(message["tenant"]["id"], message["type"]) for message in relayed()[2:]]
        assert behind == [(str(poisoned.id), "TENANT_SUSPENDED"), (str(poisoned.id), "TENANT_RESUMED")]

    def test_that_is_the_end_lets_what_waited_behind_it_go(self, bus, relayed, suspended):
        suspended(3)
        bus.failures = [PublishError("poison", permanent=True)]
        assert [message["type"] for message in relayed()] == ["TENANT_RESUMED", "TENANT_SUSPENDED"]

    def test_of_the_bus_holds_up_no_mail(self, bus, relayed, anyone):
        anyone.post("/leads", sign_up_body())
        bus.failures = [PublishError("away")]
        assert relayed() == []
        assert len(mail.outbox) == 1

    def test_of_a_mail_holds_up_no_bus(self, relayed, anyone, settings):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
        anyone.post("/leads", sign_up_body())
        assert [message["type"] for message in relayed()] == ["LEAD_CREATED"]
        assert Delivery.objects.get(destination="mail:validate_lead").state == State.PENDING


def test_a_wait_is_between_half_of_its_ceiling_and_all_of_it(settings):
    settings.EVENT_BACKOFF_BASE, settings.EVENT_BACKOFF_MAX = timedelta(seconds=1), timedelta(seconds=60)
    for attempts, ceiling in ((1, 1), (2, 2), (5, 16), (6, 32), (7, 60), (60, 60), (100_000, 60)):
        waits = [backoff(attempts).total_seconds() for _ in range(200)]
        assert ceiling / 2 <= min(waits) < 0.6 * ceiling
        assert 0.9 * ceiling < max(waits) <= ceiling


@pytest.mark.django_db
class TestReplay:
    @pytest.fixture
    def dead(self, bus, relayed, suspended) -> Delivery:
        suspended()
        bus.failures = [PublishError("no", permanent=True)]
        relayed()
        return Delivery.objects.get(state=State.DEAD)

    @pytest.mark.parametrize("by", ["dead", "event", "subject", "destination"])
    def test_brings_a_dead_one_back_with_its_id(self, dead, relayed, by):
        options = {
            "dead": {"dead": True},
            "event": {"event": [dead.event.event_id]},
            "subject": {"subject": dead.subject},
            "destination": {"dead": True, "destination": "bus:memory"},
        }[by]
        call_command("replay_events", **options)
        again = Delivery.objects.get()
        assert (again.state, again.attempts, again.finished_on) == (State.PENDING, 0, None)
        assert [message["id"] for message in relayed()] == [str(dead.event.event_id)]

    def test_leaves_what_was_not_named(self, dead, relayed, capsys):
        call_command("replay_events", subject=uuid.uuid4())
        call_command("replay_events", event=[uuid.uuid4()])
        call_command("replay_events", dead=True, destination="bus:http")
        assert capsys.readouterr().out == "0 deliveries will be tried again.\n" * 3
        assert relayed() == []

    def test_must_be_told_what(self):
        with pytest.raises(CommandError, match="--dead"):
            call_command("replay_events")

    def test_sends_a_delivered_one_again_when_its_event_is_named(self, relayed, suspended):
        suspended()
        (first,) = relayed()
        call_command("replay_events", dead=True, verbosity=0)
        assert len(relayed()) == 1
        call_command("replay_events", event=[uuid.UUID(first["id"])], verbosity=0)
        assert [message["id"] for message in relayed()] == [first["id"]] * 2

    def test_does_not_take_a_pending_one_out_of_its_holders_hands(self, suspended):
        suspended()
        (held,) = claim(10)
        assert replay(Delivery.objects.all()) == 0
        assert Delivery.objects.get().lease == held.lease


@pytest.mark.django_db
class TestCancel:
    def test_takes_pending_and_dead_ones_out_of_the_queue(self, bus, relayed, suspended):
        suspended()
        bus.failures = [PublishError("no", permanent=True)]
        relayed()
        suspended()
        assert cancel(Delivery.objects.all()) == 2
        assert relayed() == []
        assert [state for _, state in bus_states()] == [State.CANCELLED] * 2

    def test_leaves_a_delivered_one(self, relayed, suspended):
        suspended()
        relayed()
        assert cancel(Delivery.objects.all()) == 0
        assert Delivery.objects.get().state == State.DELIVERED

    def test_of_one_under_way_stands_whatever_comes_of_the_attempt(self, bus, suspended):
        suspended()
        (held,) = claim(10)
        cancel(Delivery.objects.all())
        bus.failures = [PublishError("away")]
        deliver(held)
        assert (Delivery.objects.get().state, claim(10)) == (State.CANCELLED, [])


@pytest.mark.django_db
class TestALease:
    def test_keeps_a_claimed_delivery_from_others_until_it_ends(self, suspended, settings):
        settings.EVENT_LEASE = timedelta(seconds=40)
        suspended(2)
        (held,) = claim(10)
        assert held.event.type == "TENANT_SUSPENDED"
        assert claim(10) == []
        left = (Delivery.objects.get(id=held.id).next_attempt_on - timezone.now()).total_seconds()
        assert left == pytest.approx(40, abs=5)
        Delivery.objects.filter(id=held.id).update(next_attempt_on=timezone.now() - timedelta(milliseconds=1))
        (again,) = claim(10)
        assert (again.id, again.attempts) == (held.id, 2)
        assert again.lease != held.lease

    @pytest.mark.parametrize("error", [None, PublishError("late"), PublishError("late", permanent=True)])
    def test_that_has_ended_marks_nothing(self, bus, suspended, error):
        suspended()
        (late,) = claim(10)
        due_now()
        (holder,) = claim(10)
        before = Delivery.objects.values().get()
        bus.failures = [error] if error else []
        deliver(late)
        assert Delivery.objects.values().get() == before
        deliver(holder)
        assert Delivery.objects.get().state == State.DELIVERED
        assert len({message["id"] for message in bus.published}) == 1

    def test_is_given_to_no_more_than_were_asked_for(self, suspended):
        for _ in range(4):
            suspended()
        assert [len(claim(3)), len(claim(3)), len(claim(3))] == [3, 1, 0]


@pytest.mark.django_db
class TestARun:
    def test_that_is_over_has_its_delivery_cancelled_and_the_retrys_sent(self, relayed, staff):
        run = make_run()
        fail_run(run_id=run.id, reason="Given up.")
        assert staff.post(f"/tenants/{run.tenant_id}/provision", SUBSCRIPTION).status_code == 204
        published = relayed()
        assert [message["type"] for message in published] == ["TENANT_PROVISIONING_FAILURE", "TENANT_PROVISIONING"]
        assert published[1]["secret"] == open_run(run.tenant_id).secret != run.secret
        assert bus_states() == [
            ("TENANT_PROVISIONING", State.CANCELLED),
            ("TENANT_PROVISIONING_FAILURE", State.DELIVERED),
            ("TENANT_PROVISIONING", State.DELIVERED),
        ]
        assert "over" in Delivery.objects.get(state=State.CANCELLED).last_error

    def test_lives_from_the_delivery_of_its_event_on(self, relayed, settings):
        settings.WEBHOOK_SECRET_EXPIRY = timedelta(minutes=7)
        run = make_run()
        ProvisioningRun.objects.update(expires_at=timezone.now() - timedelta(hours=1))
        assert_error(call_back(run), 401)
        relayed()
        run.refresh_from_db()
        assert (run.expires_at - timezone.now()).total_seconds() == pytest.approx(420, abs=10)
        assert call_back(run).status_code == 204

    def test_is_renewed_by_an_attempt_that_fails_too(self, bus, relayed):
        """The receiver may have got the event before the connection broke."""
        run = make_run()
        ProvisioningRun.objects.update(expires_at=timezone.now() - timedelta(hours=1))
        bus.failures = [PublishError("The answer got lost.")]
        relayed()
        assert call_back(run).status_code == 204


def let_expire(run: ProvisioningRun) -> None:
    ProvisioningRun.objects.filter(id=run.id).update(expires_at=timezone.now() - timedelta(seconds=1))


@pytest.mark.django_db
class TestReconcile:
    def test_fails_a_run_that_nobody_answered_and_provision_is_the_retry(self, relayed, staff, capsys):
        run, fresh = make_run(), make_run()
        relayed()
        let_expire(run)
        call_command("reconcile", "--dry-run")
        assert "runs past their secret               1  failed: provision is the retry" in capsys.readouterr().out
        assert Tenant.objects.filter(status=TenantStatus.PROVISIONING).count() == 2
        call_command("reconcile")
        assert str(run.tenant_id) in capsys.readouterr().out
        run.refresh_from_db()
        assert (run.state, run.finished_on is not None) == (ProvisioningRun.State.FAILED, True)
        assert "secret expired" in run.reason
        assert Tenant.objects.get(id=run.tenant_id).status == TenantStatus.PROVISIONFAILED
        assert Tenant.objects.get(id=fresh.tenant_id).status == TenantStatus.PROVISIONING
        told = relayed()[-1]
        assert (told["type"], told["reason"]) == ("TENANT_PROVISIONING_FAILURE", run.reason)
        assert staff.post(f"/tenants/{run.tenant_id}/provision", SUBSCRIPTION).status_code == 204
        retry = relayed()[-1]
        renewed = open_run(run.tenant_id)
        assert (retry["type"], retry["secret"]) == ("TENANT_PROVISIONING", renewed.secret)
        assert renewed.secret != run.secret
        assert renewed.context != run.context
        body = report(run)
        assert_error(call_back(run, body, **signed(run, body)), 401)
        assert call_back(renewed).status_code == 204

    @pytest.mark.parametrize("former", [TenantStatus.ACTIVE, TenantStatus.INACTIVE, TenantStatus.PROVISIONFAILED])
    def test_gives_the_former_status_back_after_a_deprovisioning(self, relayed, former):
        run = make_run(make_tenant(status=former), deprovision=True)
        relayed()
        let_expire(run)
        call_command("reconcile", verbosity=0)
        assert Tenant.objects.get(id=run.tenant_id).status == former
        assert relayed()[-1]["type"] == "TENANT_DEPROVISIONING_FAILURE"

    def test_finds_nothing_a_second_time(self, relayed, capsys):
        run = make_run()
        relayed()
        let_expire(run)
        call_command("reconcile", verbosity=0)
        capsys.readouterr()
        call_command("reconcile")
        assert "runs past their secret               0  -" in capsys.readouterr().out
        assert Event.objects.filter(type="TENANT_PROVISIONING_FAILURE").count() == 1

    def test_leaves_a_run_whose_event_still_waits_behind_an_earlier_one(self, bus, relayed, staff):
        """A bus that is away for longer than a secret lives fails no tenant: its event has not left yet."""
        contact = {"firstName": "A", "lastName": "B", "email": "a@acme.example", "isPrimary": True}
        body = {"contact": contact, "name": "Acme", "key": "acme", "domains": ["acme.example"]}
        tenant_id = staff.post("/tenants", body).json()["id"]
        assert staff.post(f"/tenants/{tenant_id}/provision", SUBSCRIPTION).status_code == 204
        bus.failures = [PublishError("away")]
        relayed()
        let_expire(open_run(tenant_id))
        call_command("reconcile", verbosity=0)
        assert Tenant.objects.get().status == TenantStatus.PROVISIONING
        due_now()
        assert [message["type"] for message in relayed()] == ["TENANT_CREATED", "TENANT_PROVISIONING"]
        assert call_back(open_run(tenant_id)).status_code == 204


@pytest.mark.django_db
def test_what_a_lead_and_its_tenant_send_is_kept_apart_by_subject(relayed, staff):
    lead = make_lead()
    tenant = make_tenant(lead=lead, address=make_address(), status=TenantStatus.ACTIVE)
    staff.post(f"/tenants/{tenant.id}/suspend")
    (message,) = relayed()
    assert message["tenant"]["leadId"] == str(lead.id)
    assert message["tenant"]["address"]["id"] == message["tenant"]["addressId"]
    assert Delivery.objects.get().subject == Event.objects.get().subject == tenant.id
