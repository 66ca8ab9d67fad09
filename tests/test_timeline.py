"""A tenant's timeline; the rotation of a run's secret; callbacks signed after Standard Webhooks."""

import re
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from standardwebhooks import Webhook

from identity.models import User
from leads.models import Lead
from provisioning import events
from provisioning.connectors.base import PublishError
from provisioning.connectors.memory import MemoryConnector
from provisioning.models import Delivery, ProvisioningRun
from tenants.models import Tenant, TenantStatus
from tests.conftest import STAFF_ID, Caller, assert_error, call_back, report, signed
from tests.make import SUBSCRIPTION, make_contact, make_lead, make_run, make_tenant, make_user, sign_up_body
from tests.test_office import statements
from webhooks.models import RefusedCall

pytestmark = pytest.mark.django_db


def standard(secret: str, body: bytes, *, id: str = "msg_1", moment: datetime | None = None) -> dict[str, str]:
    """The headers that the Standard Webhooks library makes with the secret as the event carries it."""
    moment = moment or datetime.now(UTC)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(id, moment, body.decode()),
    }


class TestStandardWebhooks:
    def test_are_accepted_with_the_secret_of_the_event(self):
        run = make_run()
        body = report(run)
        headers = standard(run.secret, body)
        headers["webhook-signature"] = f"v1a,ignored v1,{'A' * 43}= {headers['webhook-signature']}"
        assert call_back(run, body, **headers).status_code == 204
        run.tenant.refresh_from_db()
        assert run.tenant.status == TenantStatus.ACTIVE

    @pytest.mark.parametrize("seconds", [-25, 25])
    def test_that_are_stale_or_of_the_future_are_refused(self, seconds):
        run = make_run()
        body = report(run)
        moment = datetime.now(UTC) + timedelta(seconds=seconds)
        assert_error(call_back(run, body, **standard(run.secret, body, moment=moment)), 401)

    @pytest.mark.parametrize(
        "spoil",
        [
            {"webhook-id": "msg_2"},
            {"webhook-id": ""},
            {"webhook-timestamp": "soon"},
            {"webhook-signature": "v1,"},
            {"webhook-signature": "v1,AAAA"},
            {"webhook-signature": ""},
        ],
        ids=str,
    )
    def test_that_are_spoiled_are_refused(self, spoil):
        run = make_run()
        body = report(run)
        assert_error(call_back(run, body, **(standard(run.secret, body) | spoil)), 401)


class TestRotation:
    def test_gives_a_fresh_secret_while_the_former_holds_for_a_while(self, staff, relayed):
        run = make_run()
        former = make_run().secret  # another run's, to be refused
        before = run.secret
        assert staff.post(f"/tenants/{run.tenant_id}/rotate-secret").status_code == 204
        rotated = next(message for message in relayed() if message["type"] == "TENANT_SECRET_ROTATED")
        run.refresh_from_db()
        assert rotated["secret"] == run.secret != before
        assert former not in run.valid_secrets
        body = report(run)
        run.secret = before
        assert call_back(run, body, **signed(run, body)).status_code == 204

    def test_ends_the_former_secret_after_the_overlap(self, staff):
        run = make_run()
        body = report(run)
        staff.post(f"/tenants/{run.tenant_id}/rotate-secret")
        ProvisioningRun.objects.update(former_secret_expires_at=timezone.now() - timedelta(seconds=1))
        assert_error(call_back(run, body, **signed(run, body)), 401)
        run.refresh_from_db()
        assert call_back(run, body, **signed(run, body)).status_code == 204

    def test_is_refused_while_a_former_secret_holds_which_would_end_at_once(self, staff):
        run = make_run()
        address = f"/tenants/{run.tenant_id}/rotate-secret"
        assert staff.post(address).status_code == 204
        assert_error(staff.post(address), 409, code="just_rotated")
        body = report(run)
        assert call_back(run, body, **signed(run, body)).status_code == 204

    def test_is_possible_again_after_the_overlap(self, staff):
        run = make_run()
        address = f"/tenants/{run.tenant_id}/rotate-secret"
        assert staff.post(address).status_code == 204
        ProvisioningRun.objects.update(former_secret_expires_at=timezone.now() - timedelta(seconds=1))
        assert staff.post(address).status_code == 204

    @pytest.mark.parametrize(
        ("on_bus", "takes"), [(["TENANT_PROVISIONING"], True), (["*"], False)], ids=["not let out", "not taken"]
    )
    def test_that_no_connector_would_tell_of_is_refused_and_locks_nobody_out(
        self, staff, relayed, settings, monkeypatch, on_bus, takes
    ):
        settings.EVENTS_ON_BUS = on_bus
        monkeypatch.setattr(MemoryConnector, "takes", lambda _, type: takes or type == "TENANT_PROVISIONING")
        run = make_run()
        (asked,) = relayed()
        assert_error(staff.post(f"/tenants/{run.tenant_id}/rotate-secret"), 409, code="nobody_told")
        run.refresh_from_db()
        assert run.valid_secrets == [asked["secret"]]

    def test_needs_an_open_run(self, staff):
        assert_error(staff.post(f"/tenants/{make_tenant().id}/rotate-secret"), 409, code="no_open_run")


class TestATimeline:
    def story(self, caller, tenant_id) -> list[tuple]:
        answer = caller.get(f"/tenants/{tenant_id}/timeline")
        assert answer.status_code == 200, answer.content
        return [(entry["kind"], entry["name"], entry["outcome"]) for entry in answer.json()]

    def test_tells_the_journey_with_its_mails_attempts_callbacks_and_refusals(self, staff, bus, relayed):
        tenant = make_tenant(lead=make_lead())
        make_contact(tenant, is_primary=True)
        staff.post(f"/tenants/{tenant.id}/provision", SUBSCRIPTION)
        bus.failures = [PublishError("out of order", permanent=True)]
        relayed()
        run = tenant.runs.get()
        body = report(run, status=0)
        call_back(run, body, **{**signed(run, body), "x-signature": "00"})
        call_back(run, body)
        relayed()
        story = self.story(staff, tenant.id)
        assert sorted(story) == sorted(
            [
                ("run", "provision", "requested"),
                ("event", "TENANT_PROVISIONING", None),
                ("publication", "memory", "failed"),
                ("publication", "memory", "dead"),
                ("refused", "bad_signature", "401"),
                ("callback", "/webhook", "204"),
                ("run", "provision", "failed"),
                ("event", "TENANT_PROVISIONING_FAILURE", None),
                ("publication", "memory", "delivered"),
            ]
        )
        entries = staff.get(f"/tenants/{tenant.id}/timeline").json()
        times = [datetime.fromisoformat(entry["time"]) for entry in entries]
        assert times == sorted(times, reverse=True)
        dead = next(entry for entry in entries if entry["outcome"] == "dead")
        assert (dead["reason"], dead["attempts"]) == ("out of order", 1)
        begun = next(entry for entry in entries if entry["name"] == "TENANT_PROVISIONING")
        assert begun["actor"] == "0b9a1c3e-5d52-4c0a-9f0e-3f7f5a1c2d3e"
        failed = next(entry for entry in entries if entry["name"] == "TENANT_PROVISIONING_FAILURE")
        assert "reported a failure" in failed["reason"]
        assert run.secret not in str(entries)

    def test_has_a_refusal_when_the_first_of_its_minute_came(self, staff):
        run = make_run()
        bad = {"x-signature": "00", "x-timestamp": str(int(time.time() * 1000))}
        for headers in (bad, {}, bad):
            call_back(run, **headers)
        entries = staff.get(f"/tenants/{run.tenant_id}/timeline").json()
        kinds = [entry["kind"] for entry in entries if entry["kind"] in ("run", "refused", "callback")]
        assert kinds == ["run", "callback", "refused", "run"]

    def test_begins_with_the_lead_and_is_the_leads_to_read(self, anyone, relayed, caller_for, staff):
        anyone.post("/leads", sign_up_body())
        relayed()
        lead = Lead.objects.get()
        tenant = make_tenant(lead=lead)
        assert self.story(caller_for(lead), tenant.id) == self.story(staff, tenant.id)
        assert ("mail", "validate_lead", "delivered") in self.story(staff, tenant.id)
        assert_error(caller_for(make_lead()).get(f"/tenants/{tenant.id}/timeline"), 404)

    def test_has_pages_and_a_constant_number_of_statements(self, staff, django_assert_num_queries):
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        for _ in range(6):
            staff.post(f"/tenants/{tenant.id}/suspend")
            staff.post(f"/tenants/{tenant.id}/resume")
        path = f"/tenants/{tenant.id}/timeline"
        with django_assert_num_queries(9):
            everything = staff.get(path).json()
        assert len(everything) == 24
        pages = [staff.get(path, limit="10", offset=str(offset)).json() for offset in (0, 10, 20)]
        assert sum(pages, []) == everything
        assert_error(staff.get(path, nope="1"), 400)

    def test_keeps_every_failed_attempt_after_the_delivery_has_come_through(self, staff, bus, relayed):
        run = make_run()
        bus.failures = [PublishError("away"), PublishError("still away")]
        for _ in range(3):
            relayed()
            Delivery.objects.filter(state=Delivery.State.PENDING).update(next_attempt_on=timezone.now())
        entries = staff.get(f"/tenants/{run.tenant_id}/timeline").json()
        told = [(each["outcome"], each["reason"], each["attempts"]) for each in entries if each["name"] == "memory"]
        assert told == [("delivered", None, 3), ("failed", "still away", 2), ("failed", "away", 1)]

    def test_keeps_what_came_of_a_delivery_when_it_is_replayed_or_cancelled_and_tells_who_did_it(
        self, staff, office, bus, relayed
    ):
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        staff.post(f"/tenants/{tenant.id}/suspend")
        bus.failures = [PublishError("no", permanent=True)]
        relayed()
        delivery = Delivery.objects.get()
        told: list[dict] = []

        def tell() -> None:
            former, told[:] = list(told), staff.get(f"/tenants/{tenant.id}/timeline").json()
            assert [each for each in former if each["outcome"] != "pending" and each not in told] == []

        def act(name: str) -> None:
            office.post(reverse(f"admin:provisioning_delivery_{name}", args=[delivery.id]))
            tell()

        def choose(name: str) -> None:
            chosen = {"action": f"{name}_selected", "confirm": "yes", "_selected_action": [delivery.id]}
            office.post(reverse("admin:provisioning_delivery_changelist"), chosen)
            tell()

        tell(), act("cancel"), act("replay"), choose("cancel"), choose("replay")
        relayed(), tell()
        call_command("replay_events", event=[delivery.event.event_id], verbosity=0)
        tell(), relayed(), tell()
        me = str(User.objects.get().id)
        entries = [each for each in reversed(told) if each["kind"] == "publication"]
        assert [(each["outcome"], each["actor"], each["reason"], each["attempts"]) for each in entries] == [
            ("failed", None, "no", 1), ("dead", None, "no", 1),
            ("cancelled", me, "no", 1), ("replayed", me, None, None),
            ("cancelled", me, "no", 0), ("replayed", me, None, None), ("delivered", None, None, 1),
            ("replayed", None, None, None), ("delivered", None, None, 1),
        ]  # fmt: skip

    def test_tells_who_deleted_a_tenant_and_who_restored_it(self, staff, office):
        tenant = make_tenant()
        page, chosen = "admin:tenants_tenant_changelist", {"_selected_action": [str(tenant.id)]}
        staff.delete(f"/tenants/{tenant.id}")
        office.post(reverse("admin:tenants_tenant_restore", args=[tenant.id]))
        office.post(reverse("admin:tenants_tenant_delete", args=[tenant.id]), {"post": "yes"})
        office.post(reverse(page) + "?deleted=yes", {"action": "restore_selected", **chosen})
        office.post(reverse(page), {"action": "delete_selected", "post": "yes", **chosen})
        office.post(reverse("admin:tenants_tenant_restore", args=[tenant.id]))
        assert_error(staff.delete(f"/tenants/{STAFF_ID}"), 404)
        entries = staff.get(f"/tenants/{tenant.id}/timeline").json()
        me = str(User.objects.get().id)
        told = [(each["kind"], each["name"], each["actor"]) for each in reversed(entries)]
        assert told == [
            ("event", f"TENANT_{what}", actor)
            for what, actor in (("DELETED", STAFF_ID), ("RESTORED", me), *2 * [("DELETED", me), ("RESTORED", me)])
        ]
        assert not Delivery.objects.exists()

    def test_shows_a_deprovisioning_that_still_waits_and_who_asked(self, staff, settings):
        settings.DEPROVISION_GRACE = timedelta(hours=1)
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        staff.post(f"/tenants/{tenant.id}/deprovision")
        (entry,) = staff.get(f"/tenants/{tenant.id}/timeline").json()
        assert (entry["kind"], entry["name"], entry["outcome"]) == ("run", "deprovision", "requested")
        assert entry["actor"] == STAFF_ID

    def test_stands_on_the_admins_pages_of_tenant_and_lead(self, relayed, anyone):
        browser = Client()
        browser.force_login(make_user(is_staff=True, is_superuser=True))
        anyone.post("/leads", sign_up_body())
        relayed()
        lead = Lead.objects.get()
        tenant = make_tenant(lead=lead)
        make_run(tenant)
        for path in (f"/admin/leads/lead/{lead.id}/change/", f"/admin/tenants/tenant/{tenant.id}/change/"):
            page = browser.get(path).content.decode()
            assert "mail validate_lead" in page
            assert "event TENANT_PROVISIONING" in page
            assert tenant.runs.get().secret not in page

    def test_says_by_name_who_it_was_on_the_admins_pages_in_one_statement_and_by_id_in_the_api(
        self, office, staff, settings
    ):
        settings.SYSTEM_USER_ID, stranger = uuid.uuid4(), uuid.uuid4()
        lead, ada, bob = make_lead(), make_user(username="ada"), make_user(username="bob")
        page = reverse("admin:tenants_tenant_change", args=[make_tenant(lead=lead).id])
        tenant = Tenant.objects.get()
        events.record("TENANT_SUSPENDED", subject=tenant.id, payload={}, actor=None)
        few = len(statements(office, page))
        actors = [ada.pk, bob.pk, lead.id, stranger, settings.SYSTEM_USER_ID]
        for actor in actors:
            events.record("TENANT_SUSPENDED", subject=tenant.id, payload={}, actor=actor)
        assert len(statements(office, page)) == few + 1
        for language, words in {"en": ("the lead", "the service"), "de": ("der Interessent", "der Dienst")}.items():
            said = office.get(page, headers={"Accept-Language": language}).content.decode()
            by = re.findall(r"<td>([^<]*)</td>\s*</tr>", said[said.index("office-timeline") :])
            assert sorted(each for each in by if each) == sorted(["ada", "bob", str(stranger), *words])
        told = staff.get(f"/tenants/{tenant.id}/timeline").json()
        assert {each["actor"] for each in told} - {None} == {str(each) for each in actors}

    def test_has_one_refusal_a_minute_however_many_calls(self, monkeypatch):
        now = timezone.now()
        monkeypatch.setattr("django.utils.timezone.now", lambda: now)
        run = make_run()
        for _ in range(5):
            assert_error(call_back(run, **{**signed(run, report(run)), "x-signature": "00"}), 401)
        assert RefusedCall.objects.count() == 1
        run.close(ProvisioningRun.State.FAILED)
        assert_error(call_back(run), 401)
        assert set(RefusedCall.objects.values_list("reason", flat=True)) == {"bad_signature", "run_over"}
        assert Caller().post("/webhook", {}).status_code == 401
