"""The end of a tenant: grace and restore, export, erasure; and the commands that look after it all."""

import io
import json
import threading
import time
import zipfile
from datetime import timedelta
from decimal import Decimal

import pytest
from auditlog.models import LogEntry
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from billing.models import Invoice, Subscription
from billing.settlement import record_credit, record_payment
from config import audit
from leads.models import Address, Lead, LeadKey
from provisioning import relay
from provisioning.models import Delivery, Event, ProvisioningRun
from provisioning.offboarding import begin_after_grace
from tenants.models import Branding, Contact, Tenant, TenantStatus
from tests.conftest import Caller, assert_error, at_once, call_back, report
from tests.make import (
    make_address,
    make_config,
    make_contact,
    make_invoice,
    make_key,
    make_lead,
    make_plan,
    make_resource,
    make_run,
    make_subscription,
    make_tenant,
    sign_up_body,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant() -> Tenant:
    lead = make_lead(address=make_address(), email="ada@acme.example")
    tenant = make_tenant(lead=lead, address=lead.address, status=TenantStatus.ACTIVE, name="Acme", key="acme")
    make_contact(tenant, email="ada@acme.example", is_primary=True)
    make_config(tenant), make_resource(tenant), make_subscription(tenant)
    invoice = make_invoice(tenant)
    record_payment(invoice.id, amount=Decimal(20), actor=None)
    record_credit(invoice.id, amount=Decimal(10), reason="", actor=None)
    Event.objects.all().delete()
    return tenant


class TestTheGracePeriod:
    @pytest.fixture(autouse=True)
    def an_hour(self, settings):
        settings.DEPROVISION_GRACE = timedelta(hours=1)

    def test_holds_the_event_back_and_restore_calls_it_off(self, staff, tenant, relayed):
        assert staff.post(f"/tenants/{tenant.id}/deprovision").status_code == 204
        assert begin_after_grace() == 0
        assert relayed() == []
        assert staff.post(f"/tenants/{tenant.id}/restore").status_code == 204
        tenant.refresh_from_db()
        assert tenant.status == TenantStatus.ACTIVE
        ProvisioningRun.objects.update(begins_at=timezone.now())
        assert begin_after_grace() == 0
        assert "TENANT_DEPROVISIONING" not in [message["type"] for message in relayed()]

    def test_ends_with_the_event_and_then_restore_is_too_late(self, staff, tenant, relayed):
        staff.post(f"/tenants/{tenant.id}/deprovision")
        call_command("reconcile", verbosity=0)
        assert relayed() == []  # the secret's life begins after the grace period
        ProvisioningRun.objects.update(begins_at=timezone.now())
        assert (begin_after_grace(), begin_after_grace()) == (1, 0)
        (message,) = relayed()
        assert message["type"] == "TENANT_DEPROVISIONING"
        assert_error(staff.post(f"/tenants/{tenant.id}/restore"), 409, code="not_restorable")
        assert call_back(tenant.runs.get()).status_code == 204
        assert Tenant.everything.get().deleted

    def test_that_ended_long_ago_while_no_relay_ran_still_ends_with_the_event(self, staff, tenant, relayed, capsys):
        staff.post(f"/tenants/{tenant.id}/deprovision")
        ProvisioningRun.objects.update(begins_at=timezone.now(), expires_at=timezone.now() - timedelta(minutes=1))
        call_command("reconcile", "--dry-run")
        lines = capsys.readouterr().out
        assert "deprovisionings after grace          1  begun" in lines
        assert "runs past their secret               0  -" in lines
        assert relayed() == []
        call_command("reconcile")
        assert capsys.readouterr().out == lines
        assert [message["type"] for message in relayed()] == ["TENANT_DEPROVISIONING"]
        tenant.refresh_from_db()
        assert tenant.status == TenantStatus.DEPROVISIONING
        call_command("reconcile")
        assert "deprovisionings after grace          0  -" in capsys.readouterr().out

    def test_has_no_secret_to_rotate(self, staff, tenant, relayed):
        staff.post(f"/tenants/{tenant.id}/deprovision")
        assert_error(staff.post(f"/tenants/{tenant.id}/rotate-secret"), 409, code="no_open_run")
        assert relayed() == []
        ProvisioningRun.objects.update(begins_at=timezone.now())
        assert begin_after_grace() == 1
        assert staff.post(f"/tenants/{tenant.id}/rotate-secret").status_code == 204

    def test_of_a_run_whose_secret_no_key_decrypts_any_more_ends_and_holds_up_no_other(self, relayed, settings):
        make_run(deprovision=True)
        settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
        healthy = make_run(deprovision=True)
        ProvisioningRun.objects.update(begins_at=timezone.now())
        call_command("reconcile", verbosity=0)
        assert [message["tenant"]["id"] for message in relayed()] == [str(healthy.tenant_id)]

    def test_can_be_called_off_although_no_key_decrypts_the_secret(self, staff, tenant, settings):
        staff.post(f"/tenants/{tenant.id}/deprovision")
        settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
        assert staff.post(f"/tenants/{tenant.id}/restore").status_code == 204

    def test_of_a_tenant_that_is_deleted_meanwhile_ends_without_an_event_and_holds_up_no_other(
        self, staff, tenant, relayed
    ):
        other = make_tenant(status=TenantStatus.ACTIVE)
        for each in (tenant, other):
            staff.post(f"/tenants/{each.id}/deprovision")
        staff.delete(f"/tenants/{tenant.id}")
        ProvisioningRun.objects.update(begins_at=timezone.now())
        assert (begin_after_grace(), begin_after_grace()) == (1, 0)
        assert [(m["type"], m["tenant"]["id"]) for m in relayed()] == [("TENANT_DEPROVISIONING", str(other.id))]
        run = tenant.runs.get()
        assert (run.state, run.reason) == (
            ProvisioningRun.State.FAILED, "The tenant was deleted within the grace period."
        )  # fmt: skip


def test_a_chore_with_a_defect_is_logged_and_keeps_neither_the_others_nor_the_relay_from_going_on(monkeypatch, caplog):
    done = []
    monkeypatch.setattr(relay, "MAINTENANCE", [lambda: 1 / 0, lambda: done.append(1)])
    relay.maintain()
    assert done == [1]
    assert "ZeroDivisionError" in caplog.text


def test_the_examples_stay_in_every_status_although_the_relay_looks_after_them(relayed):
    call_command("seed", verbosity=0)
    relay.maintain()
    relayed()
    assert set(Tenant.objects.values_list("status", flat=True)) == set(TenantStatus.values)
    assert not Event.objects.filter(type="TENANT_DEPROVISIONING").exists()


def test_the_examples_are_provisioned_on_the_tier_of_the_plan_that_they_have_taken():
    call_command("seed", verbosity=0)
    taken = Subscription.objects.values_list("tenant", "plan__tier")
    built = ProvisioningRun.objects.filter(tenant__subscriptions__isnull=False).values_list("tenant", "tier")
    assert taken
    assert set(taken) == set(built)


@pytest.mark.parametrize("way", ["it has failed", "it is called off"])
def test_a_tenant_takes_no_subscription_during_a_deprovisioning_and_does_again_when(staff, settings, way):
    settings.DEPROVISION_GRACE = timedelta(hours=way == "it is called off")
    tenant = make_tenant(status=TenantStatus.ACTIVE)
    run = make_run(tenant, deprovision=True)
    body = {"tenantId": str(tenant.id), "planId": str(make_plan().id)}
    assert_error(staff.post("/subscriptions", body), 409, code="deprovisioning")
    if settings.DEPROVISION_GRACE:
        assert staff.post(f"/tenants/{tenant.id}/restore").status_code == 204
    else:
        assert call_back(run, report(run, status=0)).status_code == 204
    assert staff.post("/subscriptions", body).json()["status"] == 1


def test_without_a_grace_period_there_is_nothing_to_restore(staff, tenant):
    assert_error(staff.post(f"/tenants/{tenant.id}/restore"), 409)
    staff.post(f"/tenants/{tenant.id}/deprovision")
    assert_error(staff.post(f"/tenants/{tenant.id}/restore"), 409)


def bundle(content: bytes) -> dict:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {
            name: json.loads(file.read(name)) if name.endswith(".json") else file.read(name) for name in file.namelist()
        }


def test_the_export_holds_everything_in_the_shapes_of_the_api(staff, tenant, tmp_path):
    Branding.objects.create(tenant=tenant, theme_metadata={"primaryColor": "#ff8800"}, website="https://acme.example")
    answer = staff.get(f"/tenants/{tenant.id}/export")
    assert answer.headers["Content-Type"] == "application/zip"
    assert 'filename="acme.zip"' in answer.headers["Content-Disposition"]
    parts = bundle(answer.content)
    assert parts["tenant.json"] == staff.get(f"/tenants/{tenant.id}").json()
    assert parts["lead.json"]["email"] == "ada@acme.example"
    assert parts["address.json"]["city"] == "London"
    (branding,) = parts["branding.json"]
    assert (branding["themeMetadata"], branding["website"]) == ({"primaryColor": "#ff8800"}, "https://acme.example")
    for name in ("contacts", "configs", "resources", "invoices", "subscriptions", "payments", "credit-notes"):
        assert len(parts[f"{name}.json"]) == 1
    for document in (*parts["invoices.json"], *parts["credit-notes.json"]):
        assert parts[f"documents/{document['number']}.pdf"].startswith(b"%PDF")
    staff.delete(f"/tenants/{tenant.id}")
    call_command("export_tenant", str(tenant.id), "--output", str(tmp_path / "x.zip"), verbosity=0)
    assert bundle((tmp_path / "x.zip").read_bytes())["tenant.json"]["deleted"] is True
    with pytest.raises(CommandError):
        call_command("export_tenant", "7c1f3b52-9a41-4f3e-8a55-0d8f1f6f2a10")
    with pytest.raises(CommandError, match="cannot be written: Is a directory"):
        call_command("export_tenant", str(tenant.id), "--output", str(tmp_path))


def purge(days: int = 0) -> None:
    call_command("purge_deleted", "--older-than", str(days), verbosity=0)


def test_purge_erases_what_is_personal_and_leaves_the_invoices(staff, tenant, relayed, capsys):
    make_key(tenant.lead)
    run = make_run(tenant, deprovision=True)
    relayed()
    call_back(run)
    other = make_tenant()
    make_contact(other)
    call_command("purge_deleted", "--older-than", "30")
    assert Contact.everything.count() == 2
    Tenant.everything.filter(id=tenant.id).update(deleted_on=timezone.now() - timedelta(days=31))
    call_command("purge_deleted", "--older-than", "30", "--dry-run")
    assert Contact.everything.count() == 2
    call_command("purge_deleted", "--older-than", "30")
    assert str(tenant.id) in capsys.readouterr().out
    assert [contact.tenant for contact in Contact.everything.all()] == [other]
    assert not LeadKey.objects.exists()
    assert not Event.objects.filter(subject__in=[tenant.id, tenant.lead_id]).exists()
    assert Invoice.objects.get().tenant_id == tenant.id
    rows = str([list(model.everything.values()) for model in (Tenant, Lead)])
    assert "ada@acme.example" not in rows
    assert "Acme Ltd" not in str(list(Lead.everything.values()))
    call_command("purge_deleted", "--older-than", "30")
    assert "0 tenants" in capsys.readouterr().out
    make_lead(email="ada@acme.example")


@pytest.mark.parametrize("name", ["erased", "(erased)"])
def test_purge_and_restore_go_by_no_name_that_a_tenant_may_have(office, staff, name):
    tenant = make_tenant(name=name, key="erased", domains=[])
    make_contact(tenant)
    staff.delete(f"/tenants/{tenant.id}")
    chosen = {"action": "restore_selected", "_selected_action": [str(tenant.id)]}
    deleted = reverse("admin:tenants_tenant_changelist") + "?deleted=yes"
    office.post(deleted, chosen)
    assert Tenant.objects.get() == tenant
    staff.delete(f"/tenants/{tenant.id}")
    purge()
    assert not Contact.everything.exists()
    office.post(deleted, chosen)
    assert not Tenant.objects.exists()


def test_what_purge_has_erased_of_a_lead_is_not_restored(office):
    erased, deleted = make_lead(), make_lead(deleted=True)
    make_tenant(lead=erased, deleted=True, deleted_on=timezone.now())
    purge()
    chosen = {"action": "restore_selected", "_selected_action": [str(erased.id), str(deleted.id)]}
    office.post(reverse("admin:leads_lead_changelist") + "?deleted=yes", chosen)
    assert Lead.objects.get() == deleted


def test_purge_leaves_the_story_of_a_lead_that_has_another_tenant(anyone, staff, tenant):
    signed_up = {"firstName": "Ada", "lastName": "Lovelace", "companyName": "Acme", "email": "ada@again.example"}
    lead = Lead.objects.get(id=anyone.post("/leads", signed_up).json()["id"])
    Tenant.objects.filter(id=tenant.id).update(lead=lead)
    staff.delete(f"/tenants/{tenant.id}")
    make_tenant(lead=lead)
    purge()
    assert Delivery.objects.filter(subject=lead.id, destination="mail:validate_lead").exists()
    lead.refresh_from_db()
    assert lead.email == "ada@again.example"


def test_purge_spares_what_staff_restore_while_it_runs():
    for _ in range(2):
        make_contact(make_tenant())
    Tenant.objects.all().soft_delete(actor=None)

    class Terminal(io.StringIO):
        def write(self, text):  # the first is erased
            Tenant.everything.exclude(key="(erased)").restore(actor=None)
            return super().write(text)

    terminal = Terminal()
    call_command("purge_deleted", "--older-than", "0", stdout=terminal)
    assert terminal.getvalue().endswith("\n1 tenants and 0 leads were erased.\n")
    assert Tenant.objects.get().contacts.count() == 1


def test_staff_restore_nothing_that_is_erased_at_the_same_time(office, staff, monkeypatch):
    tenant = make_tenant()
    staff.delete(f"/tenants/{tenant.id}")
    snapshot = audit.snapshot
    monkeypatch.setattr(audit, "snapshot", lambda row: purge() or snapshot(row))  # between the question and the answer
    page = office.post(f"/admin/tenants/tenant/{tenant.id}/restore/", follow=True)
    assert "this is not possible now" in page.content.decode()
    assert not Tenant.objects.exists()


def test_purge_leaves_the_lead_and_the_address_of_a_tenant_that_was_deleted_just_now(staff):
    lead = make_lead(address=make_address())
    old = make_tenant(lead=lead, address=lead.address)
    staff.delete(f"/tenants/{old.id}")
    Tenant.everything.update(deleted_on=timezone.now() - timedelta(days=400))
    young = make_tenant(lead=lead, address=lead.address)
    staff.delete(f"/tenants/{young.id}")
    purge(365)
    assert Tenant.everything.get(id=young.id).key == young.key
    assert Lead.objects.get().email == lead.email
    assert Address.objects.get().address == "1 High St"
    purge()
    assert Lead.everything.get().email == f"{lead.id}@erased.invalid"
    assert Address.objects.get().address is None


@pytest.mark.django_db(transaction=True)
def test_purge_leaves_a_lead_that_gets_another_tenant_at_the_same_time(staff, caller_for):
    lead, onboarded = make_lead(), threading.Event()
    staff.delete(f"/tenants/{make_tenant(lead=lead).id}")

    def action(number):
        if number:
            assert onboarded.wait(20)
            purge()
        else:
            with transaction.atomic():
                body = {"key": "acme", "domains": [lead.email_domain]}
                assert caller_for(lead).post(f"/leads/{lead.id}/tenants", body).status_code == 200
                onboarded.set()
                time.sleep(0.5)  # in which the purge asks whose the lead is

    at_once(2, action)
    assert Lead.objects.get().email == lead.email


def long_ago(lead: Lead, **values) -> Lead:
    Lead.everything.filter(id=lead.id).update(modified_on=timezone.now() - timedelta(days=31), **values)
    return lead


def test_purge_erases_other_sign_ups_of_the_same_person_and_all_that_nobody_went_on_with(
    anyone, staff, relayed, capsys
):
    body = sign_up_body(email="Ada@acme.example", address={"address": "1 High St", "city": "London", "country": "GB"})
    again = long_ago(Lead.objects.get(id=anyone.post("/leads", body).json()["id"]))
    relayed()
    tenant = make_tenant(lead=make_lead(email="ada@acme.example"))
    staff.delete(f"/tenants/{tenant.id}")
    Tenant.everything.update(deleted_on=timezone.now() - timedelta(days=31))
    given_up = long_ago(make_lead(is_validated=False))
    deleted = long_ago(make_lead(), deleted=True, deleted_on=timezone.now() - timedelta(days=31))
    verified, young = long_ago(make_lead()), make_lead(is_validated=False)
    just_deleted = long_ago(make_lead(), deleted=True, deleted_on=timezone.now())
    customer = long_ago(make_tenant(lead=make_lead()).lead, is_validated=False)
    call_command("purge_deleted", "--older-than", "30", "--dry-run")
    assert "1 tenants and 3 leads would be erased." in capsys.readouterr().out
    assert Lead.everything.filter(email__endswith="@erased.invalid").count() == 0
    call_command("purge_deleted", "--older-than", "30")
    assert "1 tenants and 3 leads were erased." in capsys.readouterr().out
    erased = {tenant.lead, again, given_up, deleted}
    assert set(Lead.everything.filter(email__endswith="@erased.invalid")) == erased
    assert set(Lead.everything.exclude(email__endswith="@erased.invalid")) == {verified, young, just_deleted, customer}
    assert not Event.objects.filter(subject=again.id).exists()
    assert not Delivery.objects.filter(subject=again.id).exists()
    assert not LeadKey.objects.exists()
    assert Address.objects.get().address is None
    call_command("purge_deleted", "--older-than", "30")
    assert "0 tenants and 0 leads were erased." in capsys.readouterr().out


def test_purge_spares_a_lead_that_proves_its_address_while_it_runs():
    for _ in range(2):
        make_lead(is_validated=False)

    class Terminal(io.StringIO):
        def write(self, text):  # the first is erased
            lead = Lead.objects.filter(is_validated=False).first()
            if lead is not None:
                Caller(make_key(lead)).post(f"/leads/{lead.id}/verify")
            return super().write(text)

    terminal = Terminal()
    call_command("purge_deleted", "--older-than", "0", stdout=terminal)
    assert terminal.getvalue().endswith("\n0 tenants and 1 leads were erased.\n")
    assert Lead.objects.get().is_validated


def test_purge_erases_an_address_of_its_own_that_the_lead_has(staff):
    lead = make_lead(address=make_address(address="Home 1"))
    tenant = make_tenant(lead=lead, address=make_address())
    staff.delete(f"/tenants/{tenant.id}")
    purge()
    assert [each.address for each in Address.everything.all()] == [None, None]


def test_purge_leaves_the_address_of_a_lead_that_stays(staff):
    lead = make_lead(address=make_address())
    old = make_tenant(lead=lead, address=lead.address)
    staff.delete(f"/tenants/{old.id}")
    make_tenant(lead=lead, address=make_address(address="New 2"))
    purge()
    assert Lead.objects.get().address.address == "1 High St"


def test_purge_takes_out_of_the_audit_log_what_it_says_of_the_erased_and_leaves_who_did_what(office, staff, tenant):
    make_contact(email="grace@other.example")
    for each in (tenant, tenant.lead, tenant.address, *Contact.objects.all(), tenant.subscriptions.get()):
        address = reverse(f"admin:{each._meta.app_label}_{each._meta.model_name}_delete", args=[each.pk])
        office.post(address, {"post": "yes"})
    written = LogEntry.objects.order_by("id")
    before = list(written.values_list("actor", "object_pk", "additional_data"))
    assert "ada@acme.example" in str(list(written.values()))
    purge()
    assert list(written.values_list("actor", "object_pk", "additional_data")) == before
    left = str(list(written.values_list("object_repr", "changes")))
    assert not [word for word in ("Acme", "acme", "High St", "London") if word in left]
    assert "grace@other.example" in left


def test_reconcile_prints_what_it_found_and_changes_nothing_in_a_dry_run(capsys, settings):
    make_key(make_lead())
    LeadKey.objects.update(expires_at=timezone.now() - timedelta(days=1))
    run = make_run()
    Delivery.objects.update(state=Delivery.State.DEAD)
    call_command("reconcile", "--dry-run")
    lines = capsys.readouterr().out
    assert f"tenant {run.tenant_id}: its event is dead" in lines
    assert LeadKey.objects.exists()
    call_command("reconcile")
    assert not LeadKey.objects.exists()


def test_events_tail_prints_a_line_for_each(capsys):
    run = make_run()
    call_command("events", "tail", "--no-follow")
    assert f"TENANT_PROVISIONING {run.tenant_id} bus:memory=pending" in capsys.readouterr().out


@pytest.mark.parametrize("lines", [0, 1, 10])
def test_events_tail_prints_once_what_is_committed_behind_a_later_one(capsys, monkeypatch, lines):
    """An id is given out before the commit: here those of the second and the fourth event are there late."""
    ids = [make_run(make_tenant(key=f"t{number}")).tenant_id for number in range(4)]
    held = {number: Event.objects.get(subject=ids[number]) for number in (1, 3)}
    Event.objects.filter(id__in=[event.id for event in held.values()]).delete()

    def meanwhile(_):
        if 1 in held:
            held.pop(1).save(force_insert=True)
            make_run(make_tenant(key="t4"))
        elif held:
            held.pop(3).save(force_insert=True)
        else:
            raise KeyboardInterrupt

    monkeypatch.setattr("provisioning.management.commands.events.time.sleep", meanwhile)
    with pytest.raises(KeyboardInterrupt):
        call_command("events", "tail", "--lines", str(lines))
    printed = [line.split()[2] for line in capsys.readouterr().out.splitlines()]
    later = Event.objects.latest("id").subject
    before = (ids[0], ids[2])[max(2 - lines, 0) :]
    assert printed == [str(id) for id in (*before, ids[1], later, ids[3])]
