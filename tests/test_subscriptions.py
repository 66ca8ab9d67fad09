"""Subscriptions: from the choice of a plan to the first invoice, changes, renewals, and the end."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from billing import generation, renewals, subscriptions
from billing.models import Invoice, InvoiceStatus, Subscription, SubscriptionStatus
from billing.numbering import take
from billing.periods import local_date, midnight
from provisioning.models import Delivery, Event
from tenants.models import TenantStatus
from tests.conftest import assert_error, at_once, call_back, report
from tests.make import make_contact, make_invoice, make_lead, make_plan, make_subscription, make_tenant

pytestmark = pytest.mark.django_db
TODAY = date(2026, 1, 31)


@pytest.fixture
def clock(monkeypatch):
    """Sets the time that billing sees: `clock(date)`."""

    def set_to(day: date) -> None:
        moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        monkeypatch.setattr("django.utils.timezone.now", lambda: moment)

    return set_to


def generate(day: date) -> int:
    return sum(generation.generate(day, pdf=False, jobs=1, actor=None))


class TestTheFirstInvoice:
    def provision(self, caller, tenant, plan):
        return caller.post(f"/tenants/{tenant.id}/provision", {"planId": str(plan.id)})

    def build(self, tenant, status=1):
        run = tenant.runs.get(state=0)
        assert call_back(run, report(run, status=status)).status_code == 204

    def test_comes_when_the_tenant_is_provisioned_and_never_before(self, staff, settings):
        settings.BILLING_TAX_RATE = Decimal(19)
        tenant, plan = make_tenant(), make_plan()
        assert self.provision(staff, tenant, plan).status_code == 204
        assert not Invoice.objects.exists()
        self.build(tenant, status=0)
        assert not Invoice.objects.exists()
        other = make_plan(name="Other", price=9)
        assert self.provision(staff, tenant, other).status_code == 204
        self.build(tenant)
        (invoice,) = staff.get("/invoices", filter={"include": ["subscription"]}).json()
        assert (invoice["subtotal"], invoice["amount"], invoice["status"]) == (9, 10.71, 0)
        assert (invoice["subscription"]["planId"], invoice["subscription"]["status"]) == (str(other.id), 1)
        assert generate(local_date(timezone.now())) == 0

    def test_waits_for_the_end_of_a_trial(self, staff):
        tenant = make_tenant()
        self.provision(staff, tenant, make_plan(trial_days=14))
        self.build(tenant)
        today = local_date(timezone.now())
        assert generate(today + timedelta(days=13)) == 0
        assert generate(today + timedelta(days=14)) == 1

    def test_of_a_plan_that_is_free_never_comes(self, staff):
        tenant = make_tenant()
        self.provision(staff, tenant, make_plan(price=0))
        self.build(tenant)
        assert generate(local_date(timezone.now()) + timedelta(days=100)) == 0
        assert not Invoice.objects.exists()

    def test_is_not_for_a_subscription_that_is_billed_elsewhere(self, staff):
        tenant = make_tenant()
        staff.post(f"/tenants/{tenant.id}/provision", {"id": "s-1", "plan": {"tier": "BASIC"}})
        self.build(tenant)
        assert not Subscription.objects.exists()
        assert not Invoice.objects.exists()

    def test_has_to_be_paid_first_where_the_setting_says_so(self, staff, caller_for, settings):
        settings.BILLING_PAYMENT_FIRST = True
        tenant, plan = make_tenant(lead=make_lead()), make_plan()
        lead = caller_for(tenant.lead)
        for _ in range(2):
            error = assert_error(self.provision(lead, tenant, plan), 402, code="payment_required")
            invoice = Invoice.objects.get()
            assert invoice.number in error["message"]
        assert_error(self.provision(lead, tenant, make_plan(price=1)), 409, code="plan_chosen")
        tenant.refresh_from_db()
        assert (tenant.status, tenant.runs.count()) == (TenantStatus.PENDINGPROVISION, 0)
        assert_error(lead.post(f"/invoices/{invoice.id}/payments", {"amount": 49}), 403)
        assert staff.patch(f"/invoices/{invoice.id}", {"status": "PAID"}).status_code == 204
        assert self.provision(lead, tenant, plan).status_code == 204
        self.build(tenant)
        assert Invoice.objects.count() == 1

    def test_that_was_cancelled_is_asked_for_again(self, staff, settings):
        settings.BILLING_PAYMENT_FIRST = True
        tenant, plan = make_tenant(), make_plan()
        assert_error(self.provision(staff, tenant, plan), 402)
        staff.patch('/invoices?where={"status":0}', {"status": "CANCELLED"})
        assert_error(self.provision(staff, tenant, make_plan(price=99)), 402)
        assert [invoice.amount for invoice in Invoice.objects.order_by("number")] == [49, 99]

    def test_is_asked_for_once_by_several_at_once(self, staff, settings, transactional_db):
        settings.BILLING_PAYMENT_FIRST = True
        tenant, plan = make_tenant(), make_plan()
        assert at_once(4, lambda _: self.provision(staff, tenant, plan).status_code) == [402] * 4
        assert (Invoice.objects.count(), Subscription.objects.count()) == (1, 1)

    def test_keeps_what_the_caller_calls_the_subscription(self, staff, relayed):
        tenant, plan = make_tenant(), make_plan()
        staff.post(f"/tenants/{tenant.id}/provision", {"id": "subscription-1", "planId": str(plan.id)})
        (event,) = relayed()
        assert event["subscription"]["id"] == "subscription-1"
        assert event["subscription"]["subscriberId"] == str(tenant.id)


class TestRenewals:
    def test_bill_the_last_day_of_shorter_months_and_return(self):
        subscription = make_subscription()
        for day in (date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)):
            assert generate(day - timedelta(days=1)) == 0
            assert generate(day) == 1
        found = subscription.invoices.order_by("period_start")
        assert [str(each.period_start) for each in found] == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]
        assert all(before.end_date == after.start_date for before, after in zip(found, found[1:], strict=False))

    def test_catch_up_period_by_period_and_do_nothing_twice(self):
        make_subscription()
        assert generate(date(2026, 6, 30)) == 6
        assert generate(date(2026, 6, 30)) == 0
        numbers = list(Invoice.objects.order_by("period_start").values_list("number", flat=True))
        assert numbers == sorted(numbers)

    def test_of_two_runs_at_once_bill_each_period_once(self, transactional_db, monkeypatch):
        monkeypatch.setattr(renewals, "CHUNK", 3)
        plan = make_plan()
        for _ in range(12):
            make_subscription(plan=plan)
        assert sum(at_once(3, lambda _: generate(TODAY))) == 12
        assert (
            Invoice.objects.count() == Invoice.objects.values("subscription", "period_start").distinct().count() == 12
        )

    def test_that_broke_off_are_finished_by_the_next(self, monkeypatch):
        monkeypatch.setattr(renewals, "CHUNK", 2)
        plan = make_plan()
        for _ in range(5):
            make_subscription(plan=plan)
        calls = iter(range(10))

        def breaking(*args, **kwargs):
            if next(calls) == 1:
                raise KeyboardInterrupt
            return take(*args, **kwargs)

        with monkeypatch.context() as patched:
            patched.setattr("billing.invoicing.numbering.take", breaking)
            with pytest.raises(KeyboardInterrupt):
                generate(TODAY)
        assert Invoice.objects.count() == 2
        assert generate(TODAY) == 3
        assert sorted(Invoice.objects.values_list("number", flat=True))[-1].endswith("-000005")

    def test_cost_no_more_statements_for_more_subscriptions(self, django_assert_max_num_queries):
        plan = make_plan()
        for _ in range(30):
            make_contact(make_subscription(plan=plan).tenant)
        with django_assert_max_num_queries(20):
            assert generate(TODAY) == 30

    def test_leave_alone_who_has_left(self, staff):
        deleted, ended = make_subscription(), make_subscription(status=SubscriptionStatus.CANCELLED)
        staff.delete(f"/tenants/{deleted.tenant_id}")
        assert ended.status == SubscriptionStatus.CANCELLED
        assert generate(TODAY) == 0

    def test_charge_a_last_period_by_its_days(self):
        make_subscription(end_date=datetime(2026, 2, 14, tzinfo=UTC))
        assert generate(date(2026, 5, 1)) == 1
        invoice = Invoice.objects.get()
        assert (invoice.end_date, invoice.amount) == (datetime(2026, 2, 14, tzinfo=UTC), Decimal("24.50"))

    def test_are_the_days_of_the_time_zone(self, settings):
        settings.BILLING_TIME_ZONE = "America/New_York"
        make_subscription(start_date=midnight(date(2026, 3, 1)))
        generate(date(2026, 3, 1))
        invoice = Invoice.objects.get()
        assert (invoice.start_date.hour, invoice.end_date.hour) == (5, 4)  # the clocks change on March 8

    def test_are_announced_by_a_dry_run_that_changes_nothing(self, capsys):
        plan = make_plan()
        for _ in range(2):
            make_subscription(plan=plan)
        call_command("generate_invoices", "--date", "2026-02-01", "--dry-run")
        assert "2 subscriptions are due: 98.000 EUR net" in capsys.readouterr().out
        assert not Invoice.objects.exists()
        call_command("generate_invoices", "--date", "2026-02-01", "--pdf")
        assert "2 invoices were issued" in capsys.readouterr().out
        assert not Invoice.objects.filter(invoice_file=None).exists()
        with pytest.raises(CommandError):
            call_command("generate_invoices", "--date", "soon")


class TestAChangeOfPlan:
    @pytest.fixture
    def subscription(self, clock):
        clock(TODAY)
        subscription = make_subscription()
        generate(TODAY)
        return subscription

    def change(self, staff, subscription, plan, at="now"):
        answer = staff.post(f"/subscriptions/{subscription.id}/change-plan", {"planId": str(plan.id), "at": at})
        assert answer.status_code == 200, answer.content
        return answer.json()

    def test_at_the_period_end_waits_for_the_next_invoice(self, staff, subscription):
        plan = make_plan(name="Big", price=99, tier="PREMIUM")
        found = self.change(staff, subscription, plan, at="periodEnd")
        assert (found["price"], found["nextPlanId"]) == (49, str(plan.id))
        assert Invoice.objects.count() == 1
        generate(date(2026, 2, 28))
        assert Invoice.objects.order_by("period_start").last().amount == 99
        event = Event.objects.get(type="SUBSCRIPTION_CHANGED")
        assert event.payload["subscription"]["plan"]["tier"] == "PREMIUM"

    def test_at_once_to_a_dearer_plan_invoices_the_rest_of_the_period(self, staff, subscription, clock):
        clock(date(2026, 2, 14))  # 14 of 28 days are used
        self.change(staff, subscription, make_plan(price=99))
        invoice = Invoice.objects.get(period_start=None)
        assert [line["amount"] for line in invoice.lines] == ["49.50", "-24.50"]
        assert invoice.amount == 25
        generate(date(2026, 2, 28))
        assert Invoice.objects.order_by("period_start").filter(period_start="2026-02-28").get().amount == 99

    def test_at_once_to_a_cheaper_plan_takes_the_difference_off_the_next_invoices(self, staff, subscription, clock):
        clock(date(2026, 2, 14))
        assert self.change(staff, subscription, make_plan(price=9))["credit"] == 20
        for day in (date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30)):
            generate(day)
        amounts = list(Invoice.objects.order_by("period_start").values_list("amount", "status"))
        assert amounts[1:] == [(0, InvoiceStatus.PAID), (0, InvoiceStatus.PAID), (7, InvoiceStatus.PENDING)]

    def test_at_once_to_another_cycle_begins_a_whole_period(self, staff, subscription, clock):
        self.change(staff, subscription, make_plan(price=490, billing_cycle="YEARLY"))
        subscription.refresh_from_db()
        assert (subscription.period_start, subscription.period_end) == (TODAY, date(2027, 1, 31))
        assert Invoice.objects.get(period_start=None).amount == 441

    def test_to_another_currency_waits_for_the_period_end(self, staff, subscription):
        plan = make_plan(currency_code="JPY", price=5000)
        body = {"planId": str(plan.id), "at": "now"}
        assert_error(staff.post(f"/subscriptions/{subscription.id}/change-plan", body), 409, code="currency")
        self.change(staff, subscription, plan, at="periodEnd")
        generate(date(2026, 2, 28))
        assert Invoice.objects.get(currency_code="JPY").amount == 5000

    def test_of_what_has_ended_is_refused(self, staff):
        ended = make_subscription(status=SubscriptionStatus.EXPIRED)
        assert_error(
            staff.post(f"/subscriptions/{ended.id}/change-plan", {"planId": str(make_plan().id)}), 409,
            code="subscription_ended",
        )  # fmt: skip

    @property_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(changes=st.lists(st.tuples(st.integers(0, 27), st.integers(1, 99_999)), max_size=6))
    def test_never_makes_or_loses_a_cent_over_any_sequence(self, clock, changes):
        """What is charged less the credit that is left is, for each plan, the price of the days it was had."""
        clock(TODAY)
        subscription = make_subscription(plan=make_plan(price=Decimal("49.90")))
        generate(TODAY)
        plans = [(0, Decimal("49.90"))]
        for day, cents in sorted(changes, key=lambda change: change[0]):
            clock(TODAY + timedelta(days=day))
            price = Decimal(cents) / 100
            subscriptions.change_plan(subscription.id, plan=make_plan(price=price), at_once=True, actor=None)
            plans.append((day, price))
        subscription.refresh_from_db()
        charged = sum(invoice.subtotal for invoice in subscription.invoices.all())
        owed = Decimal(0)
        for (first, price), (last, _) in zip(plans, [*plans[1:], (28, None)], strict=True):
            whole = [(price * day / 28).quantize(Decimal("0.01"), "ROUND_HALF_UP") for day in (first, last)]
            owed += whole[1] - whole[0]
        assert charged - subscription.credit == owed


class TestTheEnd:
    def test_comes_with_the_paid_period_and_is_told_before(self, staff, clock):
        subscription = make_subscription()
        generate(TODAY)
        assert staff.patch(f"/subscriptions/{subscription.id}", {"cancelAtPeriodEnd": True}).status_code == 204
        assert staff.get(f"/subscriptions/{subscription.id}").json()["endDate"] == "2026-02-28T00:00:00Z"
        for day, status in ((20, 1), (22, 1), (23, 1), (28, 3)):
            clock(date(2026, 2, day))
            call_command("expire_subscriptions")
            subscription.refresh_from_db()
            assert subscription.status == status
        assert Delivery.objects.filter(destination="mail:subscription_ending").count() == 1
        assert subscription.ending_told_on.day == 22
        assert generate(date(2026, 6, 1)) == 0

    def test_is_mailed_to_the_billing_contact(self, relayed, mailoutbox):
        subscription = make_subscription(end_date=timezone.now() + timedelta(days=3))
        make_contact(subscription.tenant, is_primary=True)
        make_contact(subscription.tenant, email="bill@acme.example", contact_type="Billing")
        for _ in range(2):
            call_command("expire_subscriptions")
        relayed()
        (mail,) = mailoutbox
        assert mail.to == ["bill@acme.example"]
        assert "ends on" in mail.subject

    def test_of_a_term_is_an_expiry(self, staff, capsys):
        subscription = make_subscription(end_date=timezone.now() - timedelta(days=1))
        for expected in ("1 subscriptions ended", "0 subscriptions ended"):
            call_command("expire_subscriptions")
            assert expected in capsys.readouterr().out
        subscription.refresh_from_db()
        assert subscription.status == SubscriptionStatus.EXPIRED

    def test_can_be_taken_back(self, staff):
        subscription = make_subscription()
        generate(TODAY)
        path = f"/subscriptions/{subscription.id}"
        staff.patch(path, {"cancelAtPeriodEnd": True})
        generate(date(2026, 3, 1))
        assert staff.patch(path, {"cancelAtPeriodEnd": False}).status_code == 204
        assert generate(date(2026, 3, 1)) == 1

    def test_comes_at_once_while_the_tenant_waits(self, staff):
        tenant, plan = make_tenant(), make_plan()
        made = staff.post("/subscriptions", {"tenantId": str(tenant.id), "planId": str(plan.id)}).json()
        assert made["status"] == 0
        again = staff.post("/subscriptions", {"tenantId": str(tenant.id), "planId": str(plan.id)})
        assert_error(again, 409, code="subscription_exists")
        assert staff.patch(f"/subscriptions/{made['id']}", {"cancelAtPeriodEnd": True}).status_code == 204
        assert staff.get(f"/subscriptions/{made['id']}").json()["status"] == 3
        assert_error(staff.patch(f"/subscriptions/{made['id']}", {"price": 1}), 409)


@pytest.mark.parametrize(
    "values",
    [
        {"price": -1}, {"price": 1.005}, {"taxRate": 101}, {"startDate": "2001-01-01T00:00:00Z"}, {"status": 1},
        {"endDate": "2001-01-01T00:00:00Z"}, {"credit": 100}, {"periodStart": "2026-01-01"}, {"planId": "x"},
    ],
)  # fmt: skip
def test_a_subscription_that_makes_no_sense_is_refused(staff, values):
    body = {"tenantId": str(make_tenant().id), "planId": str(make_plan().id), **values}
    assert_error(staff.post("/subscriptions", body), 422)


def test_a_lead_sees_its_subscription_and_changes_nothing(caller_for):
    subscription, _ = make_subscription(make_tenant(lead=make_lead())), make_subscription()
    lead = caller_for(subscription.tenant.lead)
    assert [each["id"] for each in lead.get("/subscriptions").json()] == [str(subscription.id)]
    path = f"/subscriptions/{subscription.id}"
    assert_error(lead.patch(path, {"price": 0}), 403)
    assert_error(lead.post(f"{path}/change-plan", {"planId": str(make_plan().id)}), 403)
    assert_error(lead.post("/subscriptions", {}), 403)


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
        for days, mails, marked in ((-1, 0, 0), (1, 0, 1), (2, 0, 1), (4, 1, 1), (4, 1, 1), (8, 2, 1), (15, 3, 1)):
            self.at(monkeypatch, days)
            relayed()
            assert len(mailoutbox) == mails
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

    def test_is_not_resumed_from_a_suspension_with_other_reasons(self, staff, settings, monkeypatch):
        settings.INVOICE_SUSPEND_AFTER = 30
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        invoice = make_invoice(tenant)
        self.at(monkeypatch, 31)
        staff.post(f"/tenants/{tenant.id}/resume")
        staff.post(f"/tenants/{tenant.id}/suspend")
        staff.patch(f"/invoices/{invoice.id}", {"status": "PAID"})
        assert staff.get(f"/tenants/{tenant.id}").json()["status"] == TenantStatus.INACTIVE


def test_the_summary_adds_up_in_a_constant_number_of_statements(staff, django_assert_num_queries):
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


def test_a_period_that_is_billed_ahead_may_change_before_it_begins(staff, clock):
    subscription = make_subscription(start_date=datetime(2026, 1, 10, tzinfo=UTC))
    clock(date(2026, 2, 1))
    generate(date(2026, 2, 10))
    for price in (99, 49, 149):
        change = {"planId": str(make_plan(price=Decimal(price)).id), "at": "now"}
        assert staff.post(f"/subscriptions/{subscription.id}/change-plan", change).status_code == 200
    (euro,) = staff.get("/billing/summary", months="1").json()["currencies"]
    assert euro["months"][0]["mrr"] == 49
    clock(date(2026, 2, 10))
    (euro,) = staff.get("/billing/summary", months="1").json()["currencies"]
    assert euro["months"][0]["mrr"] == 149


def test_a_subscription_that_goes_on_after_a_cut_period_pays_each_day_once(staff, clock):
    subscription = make_subscription(end_date=datetime(2026, 2, 14, tzinfo=UTC))
    clock(date(2026, 2, 1))
    generate(date(2026, 2, 1))
    staff.patch(f"/subscriptions/{subscription.id}", {"endDate": None})
    generate(date(2026, 3, 20))
    found = subscription.invoices.order_by("period_start").values_list("period_start", "subtotal")
    assert [(str(day), int(price * 2)) for day, price in found] == [
        ("2026-01-31", 49), ("2026-02-14", 98), ("2026-03-14", 98),
    ]  # fmt: skip


def test_a_credit_is_not_turned_into_another_currency(staff, clock):
    subscription = make_subscription()
    clock(date(2026, 2, 10))
    generate(date(2026, 2, 10))
    path, yen = f"/subscriptions/{subscription.id}/change-plan", make_plan(price=Decimal(5000), currency_code="JPY")
    assert staff.post(path, {"planId": str(make_plan(price=Decimal(9)).id), "at": "now"}).json()["credit"] > 0
    assert_error(staff.post(path, {"planId": str(yen.id)}), 409)
    clock(date(2026, 6, 1))
    generate(date(2026, 6, 1))
    assert staff.post(path, {"planId": str(yen.id)}).status_code == 200


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
