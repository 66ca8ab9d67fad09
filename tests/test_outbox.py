"""The outbox: an event is written with what it tells of, says what the contract says, and arrives or is given up."""

import json
import re
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.core import mail
from django.db import connection, transaction

from config.encryption import decrypt
from leads.models import Lead
from leads.signals import lead_created
from provisioning import events
from provisioning.messages import AUDIT_KEYS
from provisioning.models import Delivery, Event, ProvisioningRun
from tenants.models import Tenant, TenantStatus
from tenants.signals import tenant_created, tenant_provisioned, tenant_suspended
from tests.conftest import Caller, assert_error, call_back, open_run, report
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
        extra = dict.fromkeys(("TENANT_PROVISIONING_FAILURE", "TENANT_SUSPENDED"), {"reason"})
        extra["TENANT_PROVISIONING_SUCCESS"] = {"appPlaneUrl"}
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


@pytest.mark.django_db
def test_what_a_lead_and_its_tenant_send_is_kept_apart_by_subject(relayed, staff):
    lead = make_lead()
    tenant = make_tenant(lead=lead, address=make_address(), status=TenantStatus.ACTIVE)
    staff.post(f"/tenants/{tenant.id}/suspend")
    (message,) = relayed()
    assert message["tenant"]["leadId"] == str(lead.id)
    assert message["tenant"]["address"]["id"] == message["tenant"]["addressId"]
    assert Delivery.objects.get().subject == Event.objects.get().subject == tenant.id
