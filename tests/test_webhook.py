"""The callback of a provisioner: its signature, what it does, and that it does it once."""

import json
import time
import uuid
from datetime import timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config.signing import webhook_signature
from provisioning import relay
from provisioning.models import Delivery, Event, ProvisioningRun
from tenants.models import Resource, Tenant, TenantStatus
from tests.conftest import Caller, assert_error, at_once, call_back, report, signed
from tests.make import SUBSCRIPTION, make_contact, make_run, make_tenant
from webhooks.models import ReceivedCall, RefusedCall


def status_of(run: ProvisioningRun) -> TenantStatus:
    return TenantStatus(Tenant.everything.get(id=run.tenant_id).status)


@pytest.mark.django_db
class TestASuccess:
    def test_makes_the_tenant_active_and_stores_every_resource(self, relayed):
        run = make_run()
        make_contact(run.tenant, is_primary=True, email="ada@acme.example")
        resources = [
            {"type": "s3", "metadata": {"bucket": "tf-state", "path": "a/b"}},
            {"type": "db", "externalIdentifier": "müller-緑-😀", "metadata": {}},
            {"type": "queue"},
        ]
        answer = call_back(run, report(run, resources=resources, appPlaneUrl="https://acme.example.com"))
        assert answer.status_code == 204, answer.content
        assert status_of(run) == TenantStatus.ACTIVE
        assert list(Resource.objects.values_list("type", "external_identifier")) == [
            ("s3", "tf-state"),
            ("db", "müller-緑-😀"),
            ("queue", None),
        ]
        published = relayed()
        assert published[-1]["type"] == "TENANT_PROVISIONING_SUCCESS"
        (message,) = mail.outbox
        assert message.to == ["ada@acme.example"]
        assert "https://acme.example.com" in message.body

    def test_that_names_a_resource_twice_stores_it_once_as_it_was_named_last(self):
        run = make_run()
        resources = [{"type": "s3", "metadata": {"bucket": "b", "version": n}} for n in range(2)]
        assert (
            call_back(run, report(run, resources=[*resources, {"type": "queue"}, {"type": "queue"}])).status_code == 204
        )
        assert [resource.metadata.get("version") for resource in Resource.objects.all()] == [1, None, None]

    @pytest.mark.postgresql
    def test_of_many_resources_writes_them_by_as_many_statements_as_one(self):
        counts = []
        for number in (1, 200):
            run = make_run()
            body = report(run, resources=[{"type": "s3", "metadata": {"bucket": f"b{n}"}} for n in range(number)])
            with CaptureQueriesContext(connection) as queries:
                assert call_back(run, body).status_code == 204
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_of_a_second_run_brings_a_known_resource_up_to_date(self, staff):
        run = make_run()
        resources = [{"type": "s3", "metadata": {"bucket": "b", "version": 1}}]
        call_back(run, report(run, status=0))
        Resource.objects.create(tenant=run.tenant, type="s3", external_identifier="b", metadata={})
        assert staff.post(f"/tenants/{run.tenant_id}/provision", SUBSCRIPTION).status_code == 204
        again = ProvisioningRun.objects.open().get()
        assert again.secret != run.secret
        assert call_back(again, report(again, resources=resources)).status_code == 204
        assert Resource.objects.get().metadata["version"] == 1


@pytest.mark.django_db
def test_a_failure_leaves_the_tenant_with_a_way_forward(relayed, staff):
    run = make_run()
    assert call_back(run, report(run, status=0, appPlaneUrl="")).status_code == 204
    assert status_of(run) == TenantStatus.PROVISIONFAILED
    assert relayed()[-1]["type"] == "TENANT_PROVISIONING_FAILURE"
    assert mail.outbox == []
    assert staff.post(f"/tenants/{run.tenant_id}/provision", SUBSCRIPTION).status_code == 204


@pytest.mark.django_db
class TestDeprovisioning:
    def test_a_success_ends_with_an_inactive_deleted_tenant_whose_key_is_free(self, relayed):
        run = make_run(deprovision=True)
        assert call_back(run).status_code == 204
        tenant = Tenant.everything.get(id=run.tenant_id)
        assert (tenant.status, tenant.deleted) == (TenantStatus.INACTIVE, True)
        assert relayed()[-1]["type"] == "TENANT_DEPROVISIONED"
        make_tenant(key=tenant.key)
        assert call_back(run).status_code == 204

    def test_a_failure_gives_the_former_status_back_and_keeps_the_reason(self):
        run = make_run(make_tenant(status=TenantStatus.INACTIVE), deprovision=True)
        assert call_back(run, report(run, status=0)).status_code == 204
        assert status_of(run) == TenantStatus.INACTIVE
        run.refresh_from_db()
        assert run.reason

    def test_its_secret_cannot_report_a_provisioning(self):
        run = make_run(deprovision=True)
        assert_error(call_back(run, report(run, type=0)), 401)
        assert status_of(run) == TenantStatus.DEPROVISIONING


@pytest.mark.django_db
class TestASignature:
    @pytest.mark.parametrize(
        "spoil",
        [
            lambda h: {**h, "x-signature": h["x-signature"][:-1] + ("0" if h["x-signature"][-1] != "0" else "1")},
            lambda h: {**h, "x-signature": h["x-signature"][:-2]},
            lambda h: {**h, "x-signature": ""},
            lambda h: {**h, "x-signature": "\xe9" * 64},
            lambda h: {"x-timestamp": h["x-timestamp"]},
            lambda h: {"x-signature": h["x-signature"]},
            lambda h: {**h, "x-timestamp": str(int(h["x-timestamp"]) + 1)},
            lambda h: {**h, "x-timestamp": "soon"},
            lambda h: {**h, "x-timestamp": "9" * 40},
        ],
        ids=["tampered", "truncated", "empty", "no hex", "missing", "no timestamp", "moved", "no number", "huge"],
    )
    def test_that_is_spoiled_is_refused_and_changes_nothing(self, spoil):
        run = make_run()
        body = report(run)
        answer = call_back(run, body, **spoil(signed(run, body)))
        assert_error(answer, 401)
        assert "WWW-Authenticate" in answer.headers
        assert status_of(run) == TenantStatus.PROVISIONING
        assert not ReceivedCall.objects.exists()

    @pytest.mark.parametrize("seconds", [-21, 30, -10_000, 10_000])
    def test_that_is_stale_or_of_the_future_is_refused_and_a_flood_costs_a_row_a_minute(
        self, seconds, django_assert_num_queries
    ):
        run = make_run()
        body = report(run)
        headers = signed(run, body, timestamp=int((time.time() + seconds) * 1000))
        assert_error(call_back(run, body, **headers), 401)
        with django_assert_num_queries(0):
            assert_error(call_back(run, body, **headers), 401)
        refused = RefusedCall.objects.get()
        assert (refused.tenant_id, refused.reason) == (run.tenant_id, "stale")

    @pytest.mark.parametrize(
        ("reason", "headers"),
        [
            ("unsigned", {"x-timestamp": "now"}),
            ("unsigned", {"x-signature": "00"}),
            ("unsigned", {"webhook-timestamp": "now", "webhook-id": "1", "webhook-signature": ""}),
            ("unsigned", {"webhook-timestamp": "now", "webhook-signature": "v1,AAAA"}),
            ("stale", {"x-timestamp": "5", "x-signature": "00"}),
            ("stale", {"x-timestamp": "soon", "x-signature": "00"}),
            ("stale", {"webhook-timestamp": "5", "webhook-id": "1", "webhook-signature": "v1,AAAA"}),
            ("bad_signature", {"x-timestamp": "now", "x-signature": "00"}),
        ],
    )
    @pytest.mark.parametrize("path", ["/webhook", "/manage/users"])
    def test_that_is_missing_stale_or_wrong_is_a_line_of_the_timeline_and_of_the_log(
        self, staff, caplog, path, reason, headers
    ):
        tenant = make_tenant()
        now = {"x-timestamp": str(int(time.time() * 1000)), "webhook-timestamp": str(int(time.time()))}
        headers = {name: now[name] if value == "now" else value for name, value in headers.items()}
        body = {"initiatorId": str(tenant.id), "tenant": {"id": str(tenant.id)}}
        with caplog.at_level("WARNING"):
            assert_error(Caller().post(path, body, **headers), 401, code="bad_signature")
        (entry,) = staff.get(f"/tenants/{tenant.id}/timeline").json()
        assert (entry["kind"], entry["name"], entry["outcome"]) == ("refused", reason, "401")
        assert f"tenant {tenant.id} was refused: {reason}" in caplog.text

    def test_covers_the_raw_bytes(self):
        run = make_run()
        body = report(run)
        assert_error(call_back(run, body.replace(b": ", b":"), **signed(run, body)), 401)
        spaced = json.dumps(json.loads(body), indent=3).encode()
        assert call_back(run, spaced).status_code == 204

    def test_made_with_another_runs_secret_or_context_is_refused(self):
        run, other = make_run(), make_run()
        body = report(run)
        assert_error(call_back(run, body, **signed(other, body)), 401)
        moment = str(int(time.time() * 1000))
        wrong = webhook_signature(secret=run.secret, body=body, context=str(other.context), timestamp=moment)
        assert_error(call_back(run, body, **{"x-signature": wrong, "x-timestamp": moment}), 401)

    def test_for_an_unknown_tenant_or_none_is_refused(self):
        run = make_run()
        for tenant_id in (str(uuid.uuid4()), "nobody", None, 7, ["x"]):
            body = json.dumps({"initiatorId": tenant_id, "type": 0, "data": {"status": 1}}).encode()
            for headers in (signed(run, body), signed(run, body, timestamp=5), {"x-timestamp": "5"}):
                assert_error(call_back(run, body, **headers), 401)
        assert not RefusedCall.objects.exists()

    def test_with_the_secret_of_an_expired_run_is_refused(self):
        run = make_run()
        ProvisioningRun.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert_error(call_back(run), 401)
        assert status_of(run) == TenantStatus.PROVISIONING

    def test_of_a_deleted_tenant_is_refused(self):
        run = make_run()
        Tenant.objects.filter(id=run.tenant_id).soft_delete(actor=None)
        assert_error(call_back(run), 401)

    def test_outlives_a_flushed_cache(self):
        run = make_run()
        cache.clear()
        assert call_back(run).status_code == 204


@pytest.mark.django_db
class TestABody:
    @pytest.mark.parametrize(
        "change",
        [
            {"type": 7},
            {"type": "0x"},
            {"data": None},
            {"data": {"status": 2}},
            {"data": {"status": 1, "resources": {}}},
            {"data": {"status": 1, "resources": ["x"]}},
            {"data": {"status": 1, "resources": [{"metadata": {}}]}},
            {"data": {"status": 1, "resources": [{"type": "a" * 101}]}},
            {"data": {"status": 1, "resources": [{"type": "a\u0000b"}]}},
            {"data": {"status": 1, "resources": [{"type": "s3", "metadata": {"bucket": "\ud800"}}]}},
            {"data": {"status": 1, "appPlaneUrl": "javascript:alert(1)"}},
            {"unknown": 1},
        ],
    )
    def test_that_is_signed_but_fails_its_schema_is_unprocessable(self, change):
        run = make_run()
        body = json.dumps({**json.loads(report(run)), **change}).encode()
        assert_error(call_back(run, body), 422)
        assert status_of(run) == TenantStatus.PROVISIONING

    def test_that_is_no_json_is_a_bad_request(self):
        run = make_run()
        assert_error(call_back(run, b"{"), 400)
        assert_error(call_back(run, b"[" * 100_000), 400)

    def test_that_is_too_large_is_refused_before_anything_else(self):
        run = make_run()
        assert_error(call_back(run, b" " * (1024 * 1024 + 1)), 413)


@pytest.mark.django_db
def test_a_repeated_callback_is_answered_alike_and_changes_nothing(relayed):
    run = make_run()
    make_contact(run.tenant)
    body = report(run)
    assert [call_back(run, body).status_code for _ in range(3)] == [204, 204, 204]
    assert Event.objects.filter(type="TENANT_PROVISIONING_SUCCESS").count() == 1
    assert_error(call_back(run, report(run, status=0)), 401)
    assert status_of(run) == TenantStatus.ACTIVE


@pytest.mark.django_db
def test_a_late_repetition_of_a_failure_does_not_hurt_the_retry(staff):
    run = make_run()
    body = report(run, status=0)
    call_back(run, body)
    staff.post(f"/tenants/{run.tenant_id}/provision", SUBSCRIPTION)
    assert call_back(run, body).status_code == 204
    assert status_of(run) == TenantStatus.PROVISIONING


@pytest.mark.django_db
def test_what_goes_wrong_while_acting_is_a_500_and_the_senders_retry_succeeds(monkeypatch):
    run = make_run()
    body = report(run)

    def broken(**_):
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr("webhooks.handlers.lifecycle.finish_provisioning", broken)
        assert call_back(run, body).status_code == 500
    assert ReceivedCall.objects.get().answer is None
    assert status_of(run) == TenantStatus.PROVISIONING
    assert call_back(run, body).status_code == 204
    assert status_of(run) == TenantStatus.ACTIVE


@pytest.mark.django_db
class TestTheLogOfCalls:
    def test_keeps_body_headers_and_answer_but_nothing_that_authenticates(self):
        run = make_run()
        body = report(run)
        headers = {
            **signed(run, body),
            "X-Request-Id": "build-12345",
            "User-Agent": "provisioner/1.0",
            **dict.fromkeys(["Authorization", "Cookie", "X-Api-Key", "X-Amz-Security-Token", "X-Goog-Iap-Jwt"], "hush"),
        }
        assert call_back(run, body, **headers).status_code == 204
        call = ReceivedCall.objects.get()
        assert (call.path, call.body, call.answer) == ("/webhook", json.loads(body), 204)
        assert call.headers["X-Request-Id"] == "build-12345"
        assert call.headers["User-Agent"] == "provisioner/1.0"
        assert call.headers["X-Timestamp"] == headers["x-timestamp"]
        stored = str(call.headers)
        assert "hush" not in stored
        assert headers["x-signature"] not in stored

    def test_keeps_what_was_refused_although_its_signature_held(self):
        run = make_run()
        bad = report(run, status=7)
        assert call_back(run, bad).status_code == 422
        good = report(run)
        assert call_back(run, good).status_code == 204
        assert call_back(run, good).status_code == 204
        late = report(run, appPlaneUrl="https://late.example")
        assert call_back(run, late).status_code == 401
        assert sorted(ReceivedCall.objects.values_list("answer", flat=True)) == [204, 401, 422]

    def test_costs_no_row_for_what_nobody_signed(self):
        run = make_run()
        call_back(run, **{"x-signature": "00", "x-timestamp": str(int(time.time() * 1000))})
        assert not ReceivedCall.objects.exists()

    def test_prunes_itself_but_spares_an_open_run(self, settings):
        settings.WEBHOOK_LOG_EXPIRY = timedelta(days=1)
        done, open_ = make_run(), make_run()
        call_back(done)
        call_back(open_, report(open_, status=7))
        call_back(open_, **{"x-signature": "00", "x-timestamp": str(int(time.time() * 1000))})
        relay.maintain()
        assert (ReceivedCall.objects.count(), RefusedCall.objects.count()) == (2, 1)
        long_ago = timezone.now() - timedelta(days=2)
        ReceivedCall.objects.update(received_on=long_ago)
        RefusedCall.objects.update(refused_on=long_ago)
        relay.maintain()
        assert ReceivedCall.objects.get().run == open_
        assert not RefusedCall.objects.exists()


@pytest.mark.django_db
def test_a_handler_of_ones_own_is_named_by_a_setting(settings):
    from webhooks import handlers

    settings.WEBHOOK_HANDLERS = {"9": "tests.test_webhook.own_handler"}
    handlers.active.cache_clear()
    try:
        run = make_run()
        assert call_back(run, report(run, type=9)).status_code == 204
        run.refresh_from_db()
        assert run.reason == "by my own handler"
    finally:
        handlers.active.cache_clear()


def own_handler(*, run, data, actor):
    run.close(ProvisioningRun.State.FAILED, "by my own handler")


@pytest.mark.django_db
def test_callbacks_are_limited_per_client(settings):
    settings.WEBHOOK_API_MAX_ATTEMPTS = 2
    run = make_run()
    headers = {"x-signature": "0", "x-timestamp": "0"}
    assert [call_back(run, **headers).status_code for _ in range(3)] == [401, 401, 429]


@pytest.mark.django_db(transaction=True)
def test_the_same_callback_at_once_is_one_transition_and_one_mail():
    run = make_run()
    make_contact(run.tenant, is_primary=True)
    body = report(run, resources=[{"type": "s3", "metadata": {"bucket": "b"}}])
    answers = at_once(20, lambda _: call_back(run, body))
    assert [answer.status_code for answer in answers] == [204] * 20
    assert Resource.objects.count() == ReceivedCall.objects.count() == 1
    assert Delivery.objects.filter(destination="mail:tenant_welcome").count() == 1


@pytest.mark.django_db(transaction=True)
def test_contradicting_callbacks_at_once_are_one_transition():
    run = make_run()
    bodies = [report(run, status=n % 2, appPlaneUrl=f"https://a{n}.example") for n in range(10)]
    answers = at_once(10, lambda n: call_back(run, bodies[n]))
    assert sorted(answer.status_code for answer in answers) == [204] + [401] * 9


@pytest.mark.django_db(transaction=True)
def test_provisioning_requested_ten_times_at_once_is_one_run(staff):
    tenant = make_tenant()
    answers = at_once(10, lambda _: Caller(staff.token).post(f"/tenants/{tenant.id}/provision", SUBSCRIPTION))
    assert sorted(answer.status_code for answer in answers) == [204] + [409] * 9
    assert ProvisioningRun.objects.count() == Event.objects.count() == 1
