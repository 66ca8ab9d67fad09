"""What staff do in the back-office: each operation does what the API's call does, asks first, and is written down."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from auditlog.models import LogEntry
from django.urls import reverse
from django.utils import timezone

from billing import settlement
from billing.models import BillingCustomer, InvoiceStatus, SubscriptionStatus
from identity.models import User
from provisioning.models import Delivery, Event, ProvisioningRun
from tenants.models import Branding, Tenant, TenantStatus
from tests.conftest import generate
from tests.make import (
    make_address,
    make_config,
    make_contact,
    make_invoice,
    make_lead,
    make_plan,
    make_resource,
    make_run,
    make_subscription,
    make_tenant,
)

pytestmark = pytest.mark.django_db


def page_of(obj) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])


def address_of(obj, operation: str) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_{operation}", args=[obj.pk])


def do(office, obj, operation: str, **values):
    """Press the button, fill the page in, and read what is told then."""
    address = address_of(obj, operation)
    assert address in office.get(page_of(obj)).content.decode(), f"{operation} has no button"
    page = office.get(address)
    assert page.status_code == 200
    hidden = {field.html_name: field.value() for field in page.context["form"].hidden_fields()}
    answer = office.post(address, {"confirm": "yes", **hidden, **values}, follow=True)
    obj.refresh_from_db()
    return answer


def download(office, obj, operation: str = "download"):
    """The file that the button leads to, without a page between."""
    address = address_of(obj, operation)
    assert address in office.get(page_of(obj)).content.decode(), f"{operation} has no button"
    return office.get(address)


def told(answer) -> str:
    return " ".join(str(each) for each in answer.context["messages"])


def last_entry() -> LogEntry:
    return LogEntry.objects.order_by("-id").first()


class TestATenant:
    def test_is_made_with_its_first_contact_and_its_event(self, office, relayed):
        values = {
            "name": "Acme", "key": "acme", "domains": "Acme.example, acme.test", "contact_first_name": "Ada",
            "contact_last_name": "Lovelace", "contact_email": "ada@acme.example", "country": "GB",
        }  # fmt: skip
        office.post(reverse("admin:tenants_tenant_new_tenant"), values)
        tenant = Tenant.objects.get()
        assert tenant.domains == ["acme.example", "acme.test"]
        assert tenant.primary_contact.email == "ada@acme.example"
        assert [event["type"] for event in relayed()] == ["TENANT_CREATED"]
        assert last_entry().additional_data["operation"] == "new_tenant"
        assert last_entry().object_pk == str(tenant.id)

    def test_is_not_made_with_a_key_that_is_taken_or_a_domain_that_is_none(self, office):
        make_tenant(key="acme")
        values = {
            "name": "Acme", "key": "acme", "domains": "acme.example", "contact_first_name": "Ada",
            "contact_last_name": "Lovelace", "contact_email": "ada@acme.example",
        }  # fmt: skip
        answer = office.post(reverse("admin:tenants_tenant_new_tenant"), values, follow=True)
        assert told(answer) == "This key belongs to another tenant."
        for wrong in ({"domains": "no host"}, {"key": "NO"}, {"contact_email": "x"}):
            answer = office.post(reverse("admin:tenants_tenant_new_tenant"), {**values, **wrong})
            assert answer.context["form"].errors
        assert Tenant.objects.count() == 1

    def test_is_provisioned_on_a_plan(self, office, relayed):
        tenant, plan = make_tenant(), make_plan()
        do(office, tenant, "provision", plan=str(plan.id))
        assert tenant.status == TenantStatus.PROVISIONING
        assert tenant.subscriptions.get().plan == plan
        assert "TENANT_PROVISIONING" in [event["type"] for event in relayed()]
        entry = last_entry()
        assert entry.changes["status"] == ["1", "2"]
        assert str(entry.actor_id) == office.session["_auth_user_id"]
        assert tenant.runs.get().secret not in str(entry.changes)

    def test_is_not_provisioned_before_its_invoice_is_paid(self, office, settings):
        settings.BILLING_PAYMENT_FIRST = True
        tenant, plan = make_tenant(), make_plan()
        answer = do(office, tenant, "provision", plan=str(plan.id))
        assert tenant.invoices.get().number in told(answer)
        assert tenant.status == TenantStatus.PENDINGPROVISION

    def test_is_retried_after_a_failure(self, office):
        run = make_run()
        run.close(ProvisioningRun.State.FAILED)
        Tenant.objects.update(status=TenantStatus.PROVISIONFAILED)
        tenant = Tenant.objects.get()
        do(office, tenant, "retry", plan=str(make_plan().id))
        assert tenant.status == TenantStatus.PROVISIONING
        assert tenant.runs.count() == 2

    def test_is_suspended_and_resumed(self, office):
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        do(office, tenant, "suspend")
        assert tenant.status == TenantStatus.INACTIVE
        do(office, tenant, "resume")
        assert tenant.status == TenantStatus.ACTIVE

    def test_changes_nothing_until_the_page_that_asks_is_sent(self, office):
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        office.get(address_of(tenant, "suspend"))
        tenant.refresh_from_db()
        assert tenant.status == TenantStatus.ACTIVE

    def test_is_deprovisioned_only_by_who_types_its_key(self, office):
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        answer = office.post(address_of(tenant, "deprovision"), {"key": "another"})
        assert "not the tenant" in str(answer.context["form"].errors)
        tenant.refresh_from_db()
        assert tenant.status == TenantStatus.ACTIVE
        do(office, tenant, "deprovision", key=tenant.key)
        assert tenant.status == TenantStatus.DEPROVISIONING

    def test_is_called_back_within_the_grace_period_and_not_after_it(self, office, settings):
        settings.DEPROVISION_GRACE = timedelta(hours=1)
        tenant = make_run(deprovision=True).tenant
        do(office, tenant, "call_off")
        assert tenant.status == TenantStatus.ACTIVE
        settings.DEPROVISION_GRACE = timedelta(0)
        tenant = make_run(deprovision=True).tenant
        answer = do(office, tenant, "call_off")
        assert "no deprovisioning that could still be called off" in told(answer)

    def test_is_restored_when_deleted(self, office):
        tenant = make_tenant(deleted=True)
        do(office, tenant, "restore")
        assert not tenant.deleted
        assert last_entry().changes["deleted"] == ["True", "False"]

    def test_is_exported(self, office):
        answer = download(office, make_tenant(key="acme"), "export")
        assert answer.headers["Content-Disposition"] == 'attachment; filename="acme.zip"'
        assert answer.content.startswith(b"PK")

    def test_gets_its_identity(self, office, settings):
        settings.IDENTITY_PROVIDER = "memory"
        run = make_run()
        make_contact(run.tenant)
        assert run.tenant.identity_setups.count() == 0
        do(office, run.tenant, "set_up_identity")
        assert run.tenant.identity_setups.get().auth_id

    def test_gets_its_identity_from_the_provider_that_is_chosen_where_it_has_none(self, office, settings):
        settings.IDENTITY_PROVIDER = ""
        tenant = make_run().tenant
        make_contact(tenant)
        address = address_of(tenant, "set_up_identity")
        assert list(office.post(address, {}).context["form"].errors) == ["provider"]
        do(office, tenant, "set_up_identity", provider="memory")
        assert tenant.identity_setups.get().provider == "memory"
        assert not office.get(address).context["form"].fields  # it has one now

    def test_is_suspended_by_a_button_that_is_no_louder_than_what_takes_it_back(self, office):
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        loud = {name: office.get(address_of(tenant, name)).context["destroys"] for name in ("suspend", "deprovision")}
        assert loud == {"suspend": False, "deprovision": True}

    def test_gets_a_fresh_secret_that_nobody_sees(self, office):
        run = make_run()
        answer = do(office, run.tenant, "rotate_secret")
        fresh = run.tenant.runs.get().secret
        assert fresh != run.secret
        assert fresh not in answer.content.decode() + str(last_entry().changes)

    def test_shows_only_what_makes_sense_and_says_so_where_it_is_tried_nevertheless(self, office):
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        page = office.get(page_of(tenant)).content.decode()
        for operation in ("provision", "retry", "resume", "call_off", "restore", "rotate_secret"):
            assert address_of(tenant, operation) not in page
        answer = office.post(address_of(tenant, "resume"), {"confirm": "yes"}, follow=True)
        assert "not possible now" in told(answer)
        tenant.refresh_from_db()
        assert tenant.status == TenantStatus.ACTIVE


class TestALead:
    def test_is_mailed_again_once_a_minute(self, office, relayed, mailoutbox):
        lead = make_lead(is_validated=False)
        do(office, lead, "resend_mail")
        assert "mailed to the lead a moment ago" in told(do(office, lead, "resend_mail"))
        relayed()
        assert [mail.to for mail in mailoutbox] == [[lead.email]]

    def test_becomes_a_tenant(self, office):
        lead = make_lead(company_name="Acme Ltd")
        form = office.get(address_of(lead, "onboard")).context["form"]
        assert (form["key"].initial, form["name"].initial) == ("acme", "Acme Ltd")
        do(office, lead, "onboard", name="Acme", key="acme", domains=form["domains"].initial)
        tenant, me = lead.tenants.get(), User.objects.get().pk
        made_by = {tenant.created_by, tenant.contacts.get().created_by, Event.objects.get(subject=tenant.id).actor}
        assert (tenant.key, made_by) == ("acme", {me})
        assert "Acme (acme)" in last_entry().object_repr or last_entry().additional_data

    def test_has_no_way_to_a_second_tenant_and_none_before_it_is_verified(self, office):
        for lead in (make_lead(is_validated=False), make_tenant(lead=make_lead()).lead):
            assert address_of(lead, "onboard") not in office.get(page_of(lead)).content.decode()

    def test_says_how_far_it_is(self, office):
        new, verified = make_lead(is_validated=False), make_lead()
        has_tenant, active = make_tenant(lead=make_lead()), make_tenant(lead=make_lead(), status=TenantStatus.ACTIVE)
        for stage, leads in {
            "signed_up": [new], "verified": [verified], "tenant": [active.lead, has_tenant.lead],
            "active": [active.lead], "nonsense": [active.lead, has_tenant.lead, verified, new],
        }.items():  # fmt: skip
            page = office.get(reverse("admin:leads_lead_changelist") + f"?stage={stage}")
            assert list(page.context["cl"].queryset) == leads, stage
        stages = {"signed up": new, "verified": verified, "tenant": has_tenant.lead, "active": active.lead}
        for stage, lead in stages.items():
            said = " ".join(office.get(page_of(lead)).content.decode().split())
            assert f"> {stage} </span>" in said, stage
        assert f'{page_of(active)}" class="text-link">Acme Ltd ({active.key})</a>' in said


class TestAnInvoice:
    def test_is_issued_paid_and_mailed_again(self, office, relayed, mailoutbox, settings):
        settings.BILLING_TIME_ZONE = "Asia/Tokyo"
        invoice = make_invoice(status=InvoiceStatus.DRAFT)
        make_contact(invoice.tenant)
        do(office, invoice, "issue")
        assert invoice.status == InvoiceStatus.PENDING
        do(office, invoice, "record_payment", amount="20.50", reference="first", date="2026-02-03")
        assert invoice.payments.get().date == datetime(2026, 2, 2, 15, tzinfo=UTC)  # the day begins there
        assert (invoice.status, invoice.open_amount) == (InvoiceStatus.PENDING, Decimal(100))
        do(office, invoice, "record_payment", amount="100")
        assert invoice.status == InvoiceStatus.PAID
        do(office, invoice, "mail_again")
        relayed()
        assert [mail.attachments[0][0] for mail in mailoutbox] == [f"{invoice.number}.pdf"] * 2

    def test_takes_a_payment_once_and_none_that_its_currency_has_no_coins_for(self, office):
        invoice = make_invoice()
        do(office, invoice, "record_payment", amount="20", reference="bank-1")
        answer = do(office, invoice, "record_payment", amount="20", reference="bank-1")
        assert "recorded for this invoice already" in told(answer)
        for amount in ("0", "1.234", "x", ""):
            answer = office.post(address_of(invoice, "record_payment"), {"amount": amount})
            assert answer.context["form"].errors
        for day in ("0001-01-01", "9999-12-31"):
            answer = office.post(address_of(invoice, "record_payment"), {"amount": "20", "date": day})
            assert answer.context["form"].errors
        assert invoice.payments.count() == 1

    @pytest.mark.parametrize("operation", ["record_payment", "credit"])
    def test_is_settled_once_by_a_page_that_is_sent_twice(self, office, operation):
        invoice = make_invoice()
        seen = office.get(address_of(invoice, operation)).context["form"]["seen"].value()
        for _ in range(2):
            answer = office.post(address_of(invoice, operation), {"amount": "20", "seen": seen}, follow=True)
        assert "paid or credited meanwhile" in told(answer)
        invoice.refresh_from_db()
        assert invoice.paid_amount + invoice.credited_amount == Decimal(20)
        do(office, invoice, operation, amount="20")
        assert invoice.paid_amount + invoice.credited_amount == Decimal(40)

    def test_is_mailed_again_once_a_minute(self, office):
        invoice, other = make_invoice(), make_invoice()
        mails = Delivery.objects.filter(destination="mail:invoice")
        do(office, invoice, "mail_again")
        assert "mailed a moment ago" in told(do(office, invoice, "mail_again"))
        assert mails.count() == 1
        do(office, other, "mail_again")
        Event.objects.update(occurred_on=timezone.now() - timedelta(minutes=1))
        do(office, invoice, "mail_again")
        assert mails.count() == 3

    def test_is_cancelled_by_a_credit_note(self, office):
        invoice = make_invoice()
        do(office, invoice, "credit", reason="a mistake")
        assert invoice.status == InvoiceStatus.CANCELLED
        assert invoice.credit_notes.get().reason == "a mistake"
        assert address_of(invoice, "credit") not in office.get(page_of(invoice)).content.decode()

    def test_is_downloaded(self, office):
        invoice = make_invoice()
        note = settlement.record_credit(invoice.id, amount=None, reason="", actor=None)
        for document in (invoice, note):
            answer = download(office, document)
            assert answer.content.startswith(b"%PDF")
            assert answer.headers["Content-Disposition"] == f'attachment; filename="{document.number}.pdf"'
            assert last_entry().additional_data["operation"] == "download"
            assert last_entry().object_pk == str(document.pk)


class TestASubscription:
    @pytest.fixture
    def subscription(self, clock):
        clock(date(2026, 1, 31))
        made = make_subscription(make_tenant(status=TenantStatus.ACTIVE), make_plan(name="Small", price=Decimal(28)))
        generate(date(2026, 1, 31))
        clock(date(2026, 2, 14))
        return made

    def test_is_moved_to_another_plan_at_the_end_of_its_period(self, office, subscription):
        large, retired = make_plan(name="Large"), make_plan(name="Retired", is_active=False)
        page = office.get(address_of(subscription, "change_plan"))
        assert "Large" in page.content.decode()
        assert "Retired" not in page.content.decode()
        answer = office.post(address_of(subscription, "change_plan"), {"plan": retired.id, "at": "now"})
        assert list(answer.context["form"].errors) == ["plan"]
        answer = do(office, subscription, "change_plan", plan=large.id, at="periodEnd")
        assert "Large from the next period on" in told(answer)
        assert (subscription.plan.name, subscription.next_plan, subscription.invoices.count()) == ("Small", large, 1)
        assert str(subscription.modified_by) == office.session["_auth_user_id"]
        assert last_entry().additional_data["operation"] == "change_plan"

    def test_is_moved_at_once_and_the_difference_is_invoiced(self, office, subscription):
        large = make_plan(name="Large", price=Decimal(56))
        answer = do(office, subscription, "change_plan", plan=large.id, at="now")
        assert told(answer) == "The plan is Large."
        assert (subscription.plan, subscription.price) == (large, Decimal(56))
        assert subscription.invoices.order_by("issued_on").last().amount == Decimal(14)

    def test_is_not_moved_where_the_api_would_refuse_it(self, office, subscription):
        dollars = make_plan(currency_code="USD")
        answer = do(office, subscription, "change_plan", plan=dollars.id, at="now")
        assert "The currency changes only at the end of a period." in told(answer)

    def test_ends_with_its_period_and_goes_on_after_all(self, office, subscription):
        do(office, subscription, "end_with_period")
        assert (subscription.cancel_at_period_end, subscription.ends_on) == (True, date(2026, 2, 28))
        assert address_of(subscription, "end_with_period") not in office.get(page_of(subscription)).content.decode()
        do(office, subscription, "go_on")
        assert (subscription.cancel_at_period_end, subscription.ends_on) == (False, None)
        assert address_of(subscription, "go_on") not in office.get(page_of(subscription)).content.decode()

    def test_that_has_ended_is_neither_moved_nor_cancelled(self, office):
        ended = make_subscription(status=SubscriptionStatus.CANCELLED)
        page = office.get(page_of(ended)).content.decode()
        assert not [each for each in ("change_plan", "end_with_period", "go_on") if address_of(ended, each) in page]


class TestWhatIsDeleted:
    def test_is_restored_on_its_page_whatever_it_is(self, office):
        tenant = make_tenant()
        for obj in (
            make_tenant(deleted=True), make_lead(deleted=True), make_contact(tenant, deleted=True),
            make_resource(tenant, deleted=True), make_config(tenant, deleted=True), make_plan(deleted=True),
            make_address(deleted=True), Branding.objects.create(tenant=tenant, deleted=True),
            BillingCustomer.objects.create(tenant=tenant, name="Acme Ltd", deleted=True),
        ):  # fmt: skip
            answer = do(office, obj, "restore")
            assert not obj.deleted, obj
            assert "It is restored." in told(answer)
            assert last_entry().changes["deleted"] == ["True", "False"]
            assert address_of(obj, "restore") not in office.get(page_of(obj)).content.decode()

    def test_stays_deleted_where_its_place_is_taken_meanwhile(self, office):
        config = make_config(deleted=True)
        make_config(config.tenant, config_key=config.config_key)
        assert "a configuration of this key already" in told(do(office, config, "restore"))
        assert config.deleted


class TestADelivery:
    def test_is_replayed_and_cancelled(self, office):
        make_run()
        delivery = Delivery.objects.first()
        do(office, delivery, "cancel")
        assert delivery.state == Delivery.State.CANCELLED
        do(office, delivery, "replay")
        assert delivery.state == Delivery.State.PENDING

    def test_is_written_down_when_replayed_from_the_list(self, office):
        make_run()
        Delivery.objects.update(state=Delivery.State.DEAD)
        delivery = Delivery.objects.first()
        chosen = {"action": "replay_selected", "confirm": "yes", "_selected_action": [delivery.id]}
        office.post(reverse("admin:provisioning_delivery_changelist"), chosen)
        assert last_entry().changes["state"] == ["2", "0"]
