"""A delivery that fails is tried again until it arrives or is given up; by hand it is replayed or cancelled."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.utils import timezone

from provisioning.connectors.base import PublishError
from provisioning.delivery import attempt, backoff, cancel, claim, deliver, record, replay
from provisioning.models import Delivery, Event, ProvisioningRun
from provisioning.requests import fail_overdue_runs
from tenants.models import Tenant, TenantStatus
from tests.conftest import bus_states, due_now
from tests.make import make_run, make_tenant, sign_up_body

State = Delivery.State


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
    def test_whose_text_no_database_keeps_is_recorded_as_others_are(self, bus, relayed, suspended):
        poisoned, healthy = suspended(), suspended()
        bus.failures = [PublishError("the broker said \x00 and \ud800, zażółć", permanent=True)]
        assert [message["tenant"]["id"] for message in relayed()] == [str(healthy.id)]
        dead = Delivery.objects.get(subject=poisoned.id)
        assert (dead.state, dead.last_error) == (State.DEAD, "the broker said ? and ?, zażółć")

    def test_repeated_ten_times_delays_and_then_all_arrives_in_order_under_its_id(self, bus, relayed, suspended):
        suspended(3)
        ids = [str(event.event_id) for event in Event.objects.order_by("id")]
        bus.failures = [PublishError("away") for _ in range(10)]
        for number in range(1, 11):
            assert relayed() == []
            first, *others = Delivery.objects.order_by("id")
            assert (first.state, first.attempts, first.last_error) == (State.PENDING, number, "away")
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

    def test_that_an_outage_keeps_from_being_recorded_is_told_of_once(self, bus, suspended, monkeypatch):
        def away(_):
            raise OperationalError

        suspended()
        bus.failures = [PublishError("no")]
        outcomes = [attempt(claimed) for claimed in claim(1)]
        with monkeypatch.context() as outage:
            outage.setattr("provisioning.delivery._held", away)
            with pytest.raises(OperationalError):
                record(outcomes)
        record(outcomes)
        assert Delivery.objects.get().failed_attempts.count() == 1

    def test_whose_last_attempt_broke_off_ends_too(self, bus, relayed, suspended, settings):
        settings.EVENT_MAX_ATTEMPTS = 1
        suspended()
        assert len(claim(10)) == 1  # by a process that dies
        due_now()
        assert relayed() == []
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.last_error) == (State.DEAD, "The last attempt broke off.")

    def test_to_decrypt_a_secret_is_the_end_of_its_delivery_and_of_no_other(self, relayed, suspended):
        run = make_run()
        with connection.cursor() as cursor:
            foreign = Fernet(Fernet.generate_key()).encrypt(b"secret").decode()
            cursor.execute("UPDATE provisioning_runs SET secret = %s, former_secret = %s", [foreign, foreign])
        healthy = suspended()
        assert [message["tenant"]["id"] for message in relayed()] == [str(healthy.id)]
        dead = Delivery.objects.get(subject=run.tenant_id)
        assert (dead.state, dead.last_error) == (State.DEAD, "None of ENCRYPTION_KEYS decrypts the run's secret.")
        ProvisioningRun.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert list(fail_overdue_runs()) == [run.tenant_id]

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

    def test_of_many_is_done_some_at_a_time(self, relayed, suspended, capsys, monkeypatch):
        monkeypatch.setattr("provisioning.delivery.AT_ONCE", 2)
        for _ in range(5):
            suspended()
        events = [uuid.UUID(message["id"]) for message in relayed()]
        call_command("replay_events", event=events)
        assert capsys.readouterr().out == "5 deliveries will be tried again.\n"
        assert len(relayed()) == 10

    def test_does_not_take_a_pending_one_out_of_its_holders_hands(self, suspended):
        suspended()
        (held,) = claim(10)
        assert replay(Delivery.objects.all(), actor=None) == 0
        assert Delivery.objects.get().lease == held.lease


@pytest.mark.django_db
class TestCancel:
    def test_takes_pending_and_dead_ones_out_of_the_queue(self, bus, relayed, suspended):
        suspended()
        bus.failures = [PublishError("no", permanent=True)]
        relayed()
        suspended()
        assert cancel(Delivery.objects.all(), actor=None) == 2
        assert relayed() == []
        assert [state for _, state in bus_states()] == [State.CANCELLED] * 2

    def test_leaves_a_delivered_one(self, relayed, suspended):
        suspended()
        relayed()
        assert cancel(Delivery.objects.all(), actor=None) == 0
        assert Delivery.objects.get().state == State.DELIVERED

    def test_of_one_under_way_stands_whatever_comes_of_the_attempt(self, bus, suspended):
        suspended()
        (held,) = claim(10)
        cancel(Delivery.objects.all(), actor=None)
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

    def test_that_has_ended_is_counted_by_reconcile(self, suspended, capsys):
        def counted() -> int:
            call_command("reconcile", "--dry-run")
            (row,) = (line for line in capsys.readouterr().out.splitlines() if "ended leases" in line)
            return int(row.removeprefix("deliveries of ended leases").split()[0])

        suspended(), suspended()
        claim(1)
        assert counted() == 0
        due_now()  # the other too, which nobody ever held
        assert counted() == 1

    def test_is_given_to_no_more_than_were_asked_for(self, suspended):
        for _ in range(4):
            suspended()
        assert [len(claim(3)), len(claim(3)), len(claim(3))] == [3, 1, 0]
