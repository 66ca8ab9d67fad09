"""A run and its event: a secret lives from the delivery on, and a run that nobody answers fails by itself."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from identity.models import IdempotentRequest
from provisioning import relay
from provisioning.connectors.base import PublishError
from provisioning.models import Delivery, Event, ProvisioningRun
from provisioning.requests import fail_run
from tenants.models import Tenant, TenantStatus
from tests.conftest import assert_error, bus_states, call_back, due_now, open_run, report, signed
from tests.make import SUBSCRIPTION, make_run, make_tenant
from webhooks.models import ReceivedCall, RefusedCall

State = Delivery.State


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

    @pytest.mark.parametrize(
        ("deprovision", "move", "status"),
        [(False, "provision", TenantStatus.PROVISIONFAILED), (True, "deprovision", TenantStatus.ACTIVE)],
    )
    def test_leaves_no_tenant_stuck_that_is_deleted_meanwhile_and_restored_later(
        self, office, staff, relayed, deprovision, move, status
    ):
        run = make_run(deprovision=deprovision)
        relayed()
        staff.delete(f"/tenants/{run.tenant_id}")
        let_expire(run)
        call_command("reconcile", verbosity=0)
        assert len(relayed()) == 1
        chosen = {"action": "restore_selected", "_selected_action": [str(run.tenant_id)]}
        office.post(reverse("admin:tenants_tenant_changelist") + "?deleted=yes", chosen)
        assert Tenant.objects.get().status == status
        assert staff.post(f"/tenants/{run.tenant_id}/{move}", SUBSCRIPTION).status_code == 204

    def test_finds_nothing_a_second_time(self, relayed, capsys):
        run = make_run()
        relayed()
        let_expire(run)
        call_command("reconcile", verbosity=0)
        capsys.readouterr()
        call_command("reconcile")
        assert "runs past their secret               0  -" in capsys.readouterr().out
        assert Event.objects.filter(type="TENANT_PROVISIONING_FAILURE").count() == 1

    @pytest.mark.parametrize(
        ("deprovision", "move", "failed"),
        [(False, "provision", TenantStatus.PROVISIONFAILED), (True, "deprovision", TenantStatus.ACTIVE)],
    )
    def test_fails_a_run_whose_event_is_dead_with_its_error_and_asking_again_is_the_retry(
        self, staff, bus, relayed, capsys, deprovision, move, failed
    ):
        run = make_run(deprovision=deprovision)
        bus.failures = [PublishError("There is no such project.", permanent=True)]
        relayed()
        relay.maintain()
        call_command("reconcile", "--dry-run")
        assert "runs whose event is dead             1  failed: provision is the retry" in capsys.readouterr().out
        assert Tenant.objects.get().status != failed
        call_command("reconcile")
        assert f"tenant {run.tenant_id}: its event is dead" in capsys.readouterr().out
        assert Tenant.objects.get().status == failed
        assert relayed()[-1]["reason"] == "The event could not be delivered: There is no such project."
        assert staff.post(f"/tenants/{run.tenant_id}/{move}", SUBSCRIPTION).status_code == 204
        relayed()
        assert call_back(open_run(run.tenant_id)).status_code == 204

    @pytest.mark.parametrize("other", [State.PENDING, State.DELIVERED])
    def test_leaves_a_run_of_whose_event_another_delivery_is_not_dead(self, relayed, capsys, other):
        run = make_run()
        event = Event.objects.get(run=run)
        Delivery.objects.update(state=State.DEAD)
        Delivery.objects.create(event=event, subject=event.subject, destination="bus:other", state=other)
        call_command("reconcile")
        assert Tenant.objects.get().status == TenantStatus.PROVISIONING
        printed = capsys.readouterr().out
        assert "other dead events of open runs       1  yours to do: replay_events --dead" in printed
        assert f"tenant {run.tenant_id}: its event is dead" in printed

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
def test_what_is_to_be_forgotten_is_deleted_some_rows_at_a_time(settings, monkeypatch):
    settings.WEBHOOK_LOG_EXPIRY = timedelta(0)
    long_ago = timezone.now() - timedelta(days=2)
    for number in range(3):
        run = make_run()
        call_back(run, **{**signed(run, report(run)), "x-signature": "00"})
        call_back(run)
        IdempotentRequest.objects.create(scope=str(number), created_on=long_ago)
    monkeypatch.setattr("config.pruning.AT_ONCE", 2)
    with CaptureQueriesContext(connection) as captured:
        relay.maintain()
    for model in (IdempotentRequest, ReceivedCall, RefusedCall):
        assert not model.objects.exists()
        deletes = f'DELETE FROM "{model._meta.db_table}"'
        assert len([query for query in captured if query["sql"].startswith(deletes)]) == 2, model
