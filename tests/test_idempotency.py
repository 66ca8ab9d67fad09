"""Idempotency-Key: the same request twice is done once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone

from identity.models import IdempotentRequest
from leads.models import Lead
from provisioning.models import Event, ProvisioningRun
from tenants.models import Tenant
from tests.conftest import Caller, assert_error, at_once
from tests.make import SUBSCRIPTION, make_key, make_lead, make_plan, make_tenant, sign_up_body

KEY = {"Idempotency-Key": "7c1f3b52-9a41"}
TENANT = {
    "name": "Acme",
    "key": "acme",
    "domains": ["acme.example"],
    "contact": {"firstName": "Ada", "lastName": "L", "email": "ada@acme.example", "isPrimary": True},
}


@pytest.mark.django_db
class TestARepeatedRequest:
    def test_gets_the_stored_answer_and_changes_nothing(self, anyone, staff):
        body = sign_up_body()
        first, second = (anyone.post("/leads", body, **KEY) for _ in range(2))
        assert (first.status_code, second.status_code) == (200, 200)
        assert first.json() == second.json()
        assert second.headers["Idempotency-Replayed"] == "true"
        assert Lead.objects.count() == Event.objects.count() == 1
        first, second = (staff.post("/tenants", TENANT, **KEY) for _ in range(2))
        assert first.json() == second.json()
        assert Tenant.objects.count() == 1

    def test_of_a_move_is_answered_alike_instead_of_a_conflict(self, staff):
        path = f"/tenants/{make_tenant().id}/provision"
        assert [staff.post(path, SUBSCRIPTION, **KEY).status_code for _ in range(2)] == [204, 204]
        assert ProvisioningRun.objects.count() == 1
        assert_error(staff.post(path, SUBSCRIPTION), 409)

    def test_for_a_new_mail_sends_one_and_is_not_too_early(self, anyone, settings):
        settings.RESEND_COOLDOWN = 60
        path = f"/leads/{make_lead(is_validated=False).id}/resend"
        first, second = (anyone.post(path, **KEY) for _ in range(2))
        assert (first.status_code, second.status_code) == (204, 204)
        assert second.headers["Idempotency-Replayed"] == "true"
        assert Event.objects.count() == 1
        assert_error(anyone.post(path), 429)

    def test_with_another_body_or_path_is_refused(self, staff):
        staff.post("/tenants", TENANT, **KEY)
        error = staff.post("/tenants", {**TENANT, "key": "other"}, **KEY)
        assert error.status_code == 422
        assert error.json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"
        assert staff.post("/contacts", {}, **KEY).status_code == 422
        assert Tenant.objects.count() == 1

    def test_of_another_caller_is_another_request(self, anyone, caller_for):
        leads = [make_lead(email=f"ada{n}@acme.example") for n in range(2)]
        for number, lead in enumerate(leads):
            body = {"key": f"acme{number}", "domains": ["acme.example"]}
            assert caller_for(lead).post(f"/leads/{lead.id}/tenants", body, **KEY).status_code == 200
        assert Tenant.objects.count() == 2

    def test_that_was_refused_leaves_its_key_free(self, staff):
        assert_error(staff.post("/tenants", {**TENANT, "domains": ["other.example"]}, **KEY), 400)
        assert staff.post("/tenants", TENANT, **KEY).status_code == 200

    def test_that_has_to_be_paid_first_is_done_once_it_is(self, staff, caller_for, settings):
        settings.BILLING_PAYMENT_FIRST = True
        tenant = make_tenant(lead=make_lead())
        path, body, caller = f"/tenants/{tenant.id}/provision", {"planId": str(make_plan().id)}, caller_for(tenant.lead)
        assert_error(caller.post(path, body, **KEY), 402)
        staff.patch(f"/invoices/{tenant.invoices.get().id}", {"status": "PAID"})
        assert caller.post(path, body, **KEY).status_code == 204

    def test_is_forgotten_after_a_day(self, staff):
        body = {**TENANT, "key": "one"}
        staff.post("/tenants", body, **KEY)
        IdempotentRequest.objects.update(created_on=timezone.now() - timedelta(hours=25))
        assert_error(staff.post("/tenants", body, **KEY), 409, code="key_taken")
        IdempotentRequest.objects.update(created_on=timezone.now() - timedelta(hours=25))
        assert IdempotentRequest.prune() == 1

    def test_is_in_flight_until_the_first_has_ended(self, staff, monkeypatch):
        nested = []

        def during(*_, **__):
            nested.append(staff.post("/tenants", TENANT, **KEY))

        monkeypatch.setattr("tenants.onboarding.tenant_created.send", during)
        assert staff.post("/tenants", TENANT, **KEY).status_code == 200
        assert_error(nested[0], 409, code="request_in_flight")

    @pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256])
    def test_needs_a_well_formed_key(self, staff, key):
        assert_error(staff.post("/tenants", TENANT, **{"Idempotency-Key": key}), 400)

    def test_keeps_no_secret(self, anyone, settings):
        settings.LEAD_KEY_IN_RESPONSE = True
        answer = anyone.post("/leads", sign_up_body(), **KEY).json()
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT answer FROM idempotent_requests")
            assert answer["key"] not in cursor.fetchone()[0]
        lead = make_lead(is_validated=False)
        for _ in range(2):
            Caller(make_key(lead)).post(f"/leads/{lead.id}/verify", **KEY)
        assert IdempotentRequest.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("with_lock", [True, False])
def test_twenty_at_once_are_done_once(staff, monkeypatch, with_lock):
    if not with_lock:  # as on SQLite: the constraint stands behind it, and who waits for it gets the stored answer
        monkeypatch.setattr("identity.idempotency._hold", lambda scope: True)
    answers = at_once(20, lambda _: Caller(staff.token).post("/tenants", TENANT, **KEY))
    assert {answer.status_code for answer in answers} <= ({200, 409} if with_lock else {200})
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 409} <= {"REQUEST_IN_FLIGHT"}
    assert Tenant.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_request_that_another_process_is_at_is_refused_until_that_one_has_ended_or_died(staff):
    """The lock is the transaction's: nothing is left behind that a repetition would have to wait out."""
    begun, over = threading.Event(), threading.Event()

    def hold(_):
        with transaction.atomic():
            response = Caller(staff.token).post("/tenants", TENANT, **KEY)
            begun.set()
            over.wait(20)
            transaction.set_rollback(True)  # what a crash leaves
        return response

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(hold, None)
        begun.wait(20)
        assert_error(staff.post("/tenants", TENANT, **KEY), 409, code="request_in_flight")
        over.set()
        assert first.result().status_code == 200
        pool.submit(connections.close_all).result()
    assert not Tenant.objects.exists()
    assert staff.post("/tenants", TENANT, **KEY).status_code == 200
