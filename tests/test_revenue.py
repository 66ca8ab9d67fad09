"""What is owed and what comes in: dunning, and the sums of it all."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain, repeat
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from billing.models import InvoiceStatus, SubscriptionStatus
from billing.periods import local_date, midnight
from billing.totals import Line
from provisioning.models import Delivery
from tenants import lifecycle
from tenants.models import TenantStatus
from tests.conftest import assert_error, call_back, generate, open_run, report
from tests.make import make_contact, make_invoice, make_plan, make_subscription, make_tenant

pytestmark = pytest.mark.django_db


class TestWhoDoesNotPay:
    def at(self, monkeypatch, days: int) -> None:
        moment = datetime(2026, 1, 15, tzinfo=UTC) + timedelta(days=days)
        with monkeypatch.context() as patched:
            patched.setattr("django.utils.timezone.now", lambda: moment)
            call_command("mark_overdue")

    def test_is_marked_and_reminded_at_the_set_days_once_each(self, staff, relayed, monkeypatch, mailoutbox):
        tenant = make_tenant()
        make_contact(tenant, is_primary=True)
        make_invoice(tenant)
        for days, mails, marked in (
            (-1, 0, 0), (1, 0, 1), (2, 0, 1), (3, 1, 1), (3, 1, 1), (6, 1, 1), (7, 2, 1), (13, 2, 1), (14, 3, 1),
        ):  # fmt: skip
            self.at(monkeypatch, days)
            relayed()
            assert (days, len(mailoutbox)) == (days, mails)
            assert [event["type"] for event in relayed()].count("INVOICE_OVERDUE") == marked
        assert "was due on 2026-01-15" in mailoutbox[0].subject

    def test_is_reminded_once_of_days_that_passed_unseen(self, relayed, monkeypatch, mailoutbox):
        tenant = make_tenant()
        make_contact(tenant)
        make_invoice(tenant)
        self.at(monkeypatch, 30)
        self.at(monkeypatch, 31)
        relayed()
        assert len(mailoutbox) == 1

    def test_is_marked_and_reminded_anew_when_its_payment_is_undone(self, staff, relayed, monkeypatch, mailoutbox):
        tenant = make_tenant()
        make_contact(tenant)
        path = f"/invoices/{make_invoice(tenant).id}/payments"
        self.at(monkeypatch, 14)
        for amount in (120.5, -120.5):
            assert staff.post(path, {"amount": amount}).status_code == 200
        for _ in range(2):
            self.at(monkeypatch, 20)
        assert [event["type"] for event in relayed()].count("INVOICE_OVERDUE") == 2
        assert len(mailoutbox) == 2

    def test_is_suspended_and_resumed_by_the_payment(self, staff, settings, monkeypatch):
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        first, second = make_invoice(tenant), make_invoice(tenant)
        self.at(monkeypatch, 40)
        tenant.refresh_from_db()
        assert tenant.status == TenantStatus.ACTIVE  # the setting is 0: never
        settings.INVOICE_SUSPEND_AFTER = 30
        self.at(monkeypatch, 29)
        assert staff.get(f"/tenants/{tenant.id}").json()["status"] == TenantStatus.ACTIVE
        self.at(monkeypatch, 31)
        assert staff.get(f"/tenants/{tenant.id}").json()["status"] == TenantStatus.INACTIVE
        staff.patch(f"/invoices/{first.id}", {"status": "PAID"})
        assert staff.get(f"/tenants/{tenant.id}").json()["status"] == TenantStatus.INACTIVE
        staff.patch(f"/invoices/{second.id}", {"status": "CANCELLED"})
        assert staff.get(f"/tenants/{tenant.id}").json()["status"] == TenantStatus.ACTIVE

    def test_is_not_resumed_to_be_suspended_again_for_another_invoice(self, staff, settings, monkeypatch, clock):
        settings.INVOICE_SUSPEND_AFTER = 30
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        first, second = make_invoice(tenant), make_invoice(tenant, due_date=datetime(2026, 1, 20, tzinfo=UTC))
        self.at(monkeypatch, 31)
        clock(date(2026, 3, 6))
        self.at(monkeypatch, 50)
        for invoice, status in ((first, TenantStatus.INACTIVE), (second, TenantStatus.ACTIVE)):
            staff.patch(f"/invoices/{invoice.id}", {"status": "PAID"})
            assert staff.get(f"/tenants/{tenant.id}").json()["status"] == status

    def test_has_what_it_was_suspended_for_in_the_event_and_the_timeline(self, staff, settings, monkeypatch, relayed):
        settings.INVOICE_SUSPEND_AFTER = 30
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        _later, late = [make_invoice(tenant, due_date=datetime(2026, 1, day, tzinfo=UTC)) for day in (15, 14)]
        self.at(monkeypatch, 32)
        reason = f"Invoice {late.number} was not paid in time."
        (told,) = [event for event in relayed() if event["type"] == "TENANT_SUSPENDED"]
        assert told["reason"] == reason
        staff.post(f"/tenants/{tenant.id}/resume")
        staff.post(f"/tenants/{tenant.id}/suspend")
        assert relayed()[-1]["reason"] is None
        entries = staff.get(f"/tenants/{tenant.id}/timeline").json()
        assert [entry["reason"] for entry in entries if entry["name"] == "TENANT_SUSPENDED"] == [None, reason]

    def test_is_not_resumed_from_a_suspension_with_other_reasons(self, staff, settings, monkeypatch):
        settings.INVOICE_SUSPEND_AFTER = 30
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        invoice = make_invoice(tenant)
        self.at(monkeypatch, 31)
        staff.post(f"/tenants/{tenant.id}/resume")
        staff.post(f"/tenants/{tenant.id}/suspend")
        staff.patch(f"/invoices/{invoice.id}", {"status": "PAID"})
        assert staff.get(f"/tenants/{tenant.id}").json()["status"] == TenantStatus.INACTIVE

    @pytest.mark.parametrize("settled", [True, False])
    def test_is_resumed_also_when_it_pays_during_a_deprovisioning_that_fails(
        self, staff, settings, monkeypatch, relayed, settled
    ):
        settings.INVOICE_SUSPEND_AFTER = 30
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        invoice = make_invoice(tenant)
        self.at(monkeypatch, 31)
        assert staff.post(f"/tenants/{tenant.id}/deprovision").status_code == 204
        staff.post(f"/invoices/{invoice.id}/payments", {"amount": 120.5 if settled else 120})
        assert staff.get(f"/tenants/{tenant.id}").json()["status"] == TenantStatus.DEPROVISIONING
        run = open_run(tenant.id)
        assert call_back(run, report(run, status=0)).status_code == 204
        expected = TenantStatus.ACTIVE if settled else TenantStatus.INACTIVE
        assert staff.get(f"/tenants/{tenant.id}").json()["status"] == expected
        told = [event for event in relayed() if event["type"] == "TENANT_DEPROVISIONING_FAILURE"]
        assert [event["tenant"]["status"] for event in told] == [expected]
        assert ("TENANT_RESUMED" in [event["type"] for event in relayed()]) is settled


class TestWhereClocksChange:
    """In Berlin March 29, 2026 has 23 hours, and October 25 has 25."""

    @pytest.fixture(autouse=True)
    def in_berlin(self, settings):
        settings.BILLING_TIME_ZONE = "Europe/Berlin"

    @pytest.fixture
    def at(self, monkeypatch):
        def set_to(*moment: int) -> datetime:
            now = datetime(*moment, tzinfo=ZoneInfo("Europe/Berlin")).astimezone(UTC)
            monkeypatch.setattr("django.utils.timezone.now", lambda: now)
            return now

        return set_to

    def test_an_invoice_is_due_as_many_days_later_as_the_setting_says(self, staff, at):
        make_subscription(start_date=at(2026, 10, 20, 0, 10))
        generate(date(2026, 10, 20))
        for day, late in ((3, False), (4, True)):
            at(2026, 11, day, 12)
            assert [invoice["isOverdue"] for invoice in staff.get("/invoices").json()] == [late]

    def test_reminders_and_suspensions_come_after_as_many_days_as_the_settings_say(self, settings, at):
        settings.INVOICE_REMINDER_DAYS, settings.INVOICE_SUSPEND_AFTER = [14], 14
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        make_invoice(tenant, due_date=midnight(date(2026, 10, 20)))
        active, inactive = TenantStatus.ACTIVE, TenantStatus.INACTIVE
        for *moment, reminders, status in (
            (2, 23, 30, 0, active), (3, 0, 10, 1, active), (3, 23, 30, 1, active), (4, 0, 10, 1, inactive),
        ):  # fmt: skip
            at(2026, 11, *moment)
            call_command("mark_overdue")
            tenant.refresh_from_db()
            sent = Delivery.objects.filter(destination="mail:invoice_reminder").count()
            assert (moment, sent, tenant.status) == (moment, reminders, status)

    def test_an_end_is_told_as_many_days_before_as_the_setting_says(self, at):
        subscription = make_subscription(end_date=midnight(date(2026, 10, 26)))
        for day, told in ((18, False), (19, True)):
            at(2026, 10, day, 0, 10)
            call_command("expire_subscriptions")
            subscription.refresh_from_db()
            assert (subscription.ending_told_on is not None) is told


def test_the_summary_adds_up_in_a_constant_number_of_statements(staff, clock, django_assert_num_queries):
    clock(date(2026, 3, 15))
    today = timezone.now()
    invoice = make_invoice(due_date=today - timedelta(days=1))
    staff.post(f"/invoices/{invoice.id}/payments", {"amount": 20})
    staff.post(f"/invoices/{invoice.id}/credit-notes", {"amount": 10})
    make_invoice(due_date=today + timedelta(days=1)), make_invoice(currency_code="USD", status=InvoiceStatus.DRAFT)
    start = today - timedelta(days=1)
    period = {"period_start": local_date(start), "period_end": local_date(start) + timedelta(days=30)}
    make_subscription(start_date=start, **period)
    yearly = make_plan(price=Decimal(600), billing_cycle="YEARLY")
    make_subscription(start_date=start, plan=yearly, **period)
    make_subscription(start_date=start, **period, end_date=start, status=SubscriptionStatus.EXPIRED)
    with django_assert_num_queries(2):
        (euro,) = staff.get("/billing/summary", months="3").json()["currencies"]
    now = euro["months"][-1]
    assert len(euro["months"]) == 3
    assert (euro["currencyCode"], euro["openCount"], euro["open"]) == ("EUR", 2, 211)
    assert (euro["overdueCount"], euro["overdue"]) == (1, 90.5)
    assert (now["issuedCount"], now["issued"], now["paid"], now["credited"]) == (2, 241, 20, 10)
    assert now["mrr"] == 99
    for wrong in ("0", "37", "x", "-1", ""):
        assert_error(staff.get("/billing/summary", months=wrong), 400)


def test_the_summary_can_be_asked_for_while_a_month_ends_in_which_an_invoice_is_issued(staff, monkeypatch):
    february = midnight(date(2026, 2, 1))
    monkeypatch.setattr("django.utils.timezone.now", lambda: february)
    make_invoice()
    moments = chain([february - timedelta(microseconds=1)], repeat(february))
    monkeypatch.setattr("django.utils.timezone.now", lambda: next(moments))
    (euro,) = staff.get("/billing/summary", months="1").json()["currencies"]
    assert [(month["month"], month["issued"]) for month in euro["months"]] == [("2026-01", 0)]


def test_what_is_overdue_is_told_of_the_month_it_was_due_in(staff, clock):
    clock(date(2026, 4, 15))
    for due, price in ((date(2026, 1, 31), 1), (date(2026, 2, 28), 2), (date(2026, 3, 1), 4), (date(2026, 3, 31), 8),
                       (date(2026, 4, 14), 16), (date(2026, 4, 15), 32), (date(2026, 5, 1), 64)):  # fmt: skip
        make_invoice(due_date=midnight(due), lines=[Line("Services", Decimal(price))])
    make_invoice(due_date=midnight(date(2026, 3, 5)), status=InvoiceStatus.PAID)
    (euro,) = staff.get("/billing/summary", months="3").json()["currencies"]
    assert [month["overdue"] for month in euro["months"]] == [2, 4 + 8, 16]
    assert (euro["overdueCount"], euro["overdue"]) == (5, 1 + 2 + 4 + 8 + 16)
    assert (euro["openCount"], euro["open"]) == (7, 127)


def test_the_recurring_revenue_of_a_month_is_what_was_in_force_on_its_last_day(staff, clock):
    start = datetime(2026, 1, 10, tzinfo=UTC)
    monthly = make_subscription(start_date=start)
    yearly = make_subscription(start_date=start, plan=make_plan(price=Decimal(600), billing_cycle="YEARLY"))
    make_subscription(start_date=start, end_date=datetime(2026, 2, 28, tzinfo=UTC))
    make_subscription(start_date=start, next_invoice_on=date(2026, 3, 5))  # a trial until then
    clock(date(2026, 2, 15))
    generate(date(2026, 2, 15))
    staff.patch(f"/subscriptions/{monthly.id}", {"price": 99})  # from March 10 on
    clock(date(2026, 3, 20))
    generate(date(2026, 3, 20))
    dearer = make_plan(price=Decimal(1200), billing_cycle="YEARLY")
    for _ in range(2):
        staff.post(f"/subscriptions/{yearly.id}/change-plan", {"planId": str(dearer.id), "at": "now"})
    clock(date(2026, 4, 2))
    (euro,) = staff.get("/billing/summary", months="5").json()["currencies"]
    assert [month["mrr"] for month in euro["months"]] == [0, 49 + 50 + 49, 49 + 50, 99 + 100 + 49, 99 + 100 + 49]


@pytest.mark.parametrize(
    ("cycle", "price", "month"), [("YEARLY", 100, 8.33), ("QUARTERLY", 100, 33.33), ("YEARLY", 99.9, 8.33)]
)
def test_the_recurring_revenue_of_a_cycle_is_its_share_of_a_month(staff, clock, cycle, price, month):
    clock(date(2026, 2, 1))
    make_subscription(plan=make_plan(price=Decimal(str(price)), billing_cycle=cycle))
    generate(date(2026, 2, 1))
    (euro,) = staff.get("/billing/summary", months="1").json()["currencies"]
    assert euro["months"][0]["mrr"] == month


def test_what_is_open_is_summed_to_the_cent(staff, clock):
    clock(date(2026, 3, 15))
    invoice = make_invoice(lines=[Line("Services", Decimal("100000.1"))])
    assert staff.post(f"/invoices/{invoice.id}/payments", {"amount": 100_000}).status_code == 200
    (euro,) = staff.get("/billing/summary").json()["currencies"]
    assert (euro["open"], euro["overdue"], euro["months"][-1]["issued"]) == (0.1, 0.1, 100_000.1)


def test_what_waited_to_be_paid_brings_no_recurring_revenue_when_it_is_cancelled_either(staff, clock, settings):
    settings.BILLING_PAYMENT_FIRST = True
    clock(date(2026, 1, 20))
    tenant = make_tenant()
    assert staff.post(f"/tenants/{tenant.id}/provision", {"planId": str(make_plan().id)}).status_code == 402
    (made,) = staff.get("/subscriptions").json()
    clock(date(2026, 2, 20))
    for status in (SubscriptionStatus.PENDING, SubscriptionStatus.CANCELLED):
        assert staff.get(f"/subscriptions/{made['id']}").json()["status"] == status
        (euro,) = staff.get("/billing/summary", months="2").json()["currencies"]
        assert [month["mrr"] for month in euro["months"]] == [0, 0]
        staff.patch(f"/subscriptions/{made['id']}", {"cancelAtPeriodEnd": True})


@pytest.mark.parametrize("way", ["deprovisioned", "deleted"])
def test_a_tenant_that_has_left_brings_no_recurring_revenue(staff, clock, way):
    clock(date(2026, 2, 1))
    subscription = make_subscription(end_date=datetime(2026, 12, 31, tzinfo=UTC))
    generate(date(2026, 2, 1))
    clock(date(2026, 3, 10))
    if way == "deprovisioned":
        with transaction.atomic():
            tenant = lifecycle.locked(subscription.tenant_id)
            lifecycle.start_deprovisioning(tenant=tenant, actor=None)
            lifecycle.finish_deprovisioning(tenant=tenant, actor=None)
        subscription.refresh_from_db()
        assert local_date(subscription.end_date) == date(2026, 3, 10)
    else:
        assert staff.delete(f"/tenants/{subscription.tenant_id}").status_code == 204
    clock(date(2026, 4, 1))
    (euro,) = staff.get("/billing/summary", months="3").json()["currencies"]
    assert [month["mrr"] for month in euro["months"]] == [49, 0, 0]


def test_on_the_day_that_it_is_due_an_invoice_is_not_overdue(staff, settings, clock):
    settings.BILLING_TIME_ZONE = "America/New_York"
    invoice = make_invoice(due_date=datetime(2026, 1, 15, 6, tzinfo=UTC))
    for day, late in ((15, False), (16, True)):
        clock(date(2026, 1, day))
        assert staff.get(f"/invoices/{invoice.id}").json()["isOverdue"] is late
        (euro,) = staff.get("/billing/summary").json()["currencies"]
        assert euro["overdueCount"] == late
        call_command("mark_overdue")
        invoice.refresh_from_db()
        assert (invoice.overdue_on is not None) is late
