"""What is invoiced when: the first invoice, and each period once."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.utils import timezone

from billing import renewals
from billing.models import Invoice, Subscription, SubscriptionStatus
from billing.money import shown
from billing.numbering import take
from billing.periods import local_date, midnight
from provisioning.models import Event
from tenants.models import TenantStatus
from tests.conftest import assert_error, at_once, call_back, generate, report
from tests.make import make_contact, make_lead, make_plan, make_subscription, make_tenant

pytestmark = pytest.mark.django_db
TODAY = date(2026, 1, 31)


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
        began = local_date(Subscription.objects.get().start_date)
        assert generate(began + timedelta(days=13)) == 0
        assert generate(began + timedelta(days=14)) == 1

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

    def test_that_broke_off_are_finished_by_the_next(self, clock, monkeypatch):
        clock(TODAY)
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
            make_contact(make_subscription(make_tenant(lead=make_lead()), plan).tenant)
        with django_assert_max_num_queries(20):
            assert generate(TODAY) == 30

    def test_cost_no_more_statements_for_more_plans_that_change(self, django_assert_max_num_queries):
        former, plan = make_plan(), make_plan(price=20)
        for _ in range(30):
            make_contact(make_subscription(plan=former, next_plan=plan).tenant)
        with django_assert_max_num_queries(25):
            assert generate(TODAY) == 30
        assert Event.objects.filter(type="SUBSCRIPTION_CHANGED").count() == 30

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

    def test_of_one_that_has_ended_change_neither_its_terms_nor_its_plan_and_hold_up_nobody(self, staff, clock):
        clock(TODAY)
        changed, scheduled = make_subscription(), make_subscription()
        generate(TODAY)
        make_subscription(start_date=datetime(2026, 2, 28, tzinfo=UTC))
        dearer = str(make_plan(price=Decimal(99), tier="PREMIUM").id)
        clock(date(2026, 2, 8))
        path = f"/subscriptions/{changed.id}"
        staff.post(f"{path}/change-plan", {"planId": dearer, "at": "now"})
        for values in ({"price": 89}, {"cancelAtPeriodEnd": True}):
            assert staff.patch(path, values).status_code == 204
        staff.post(f"/subscriptions/{scheduled.id}/change-plan", {"planId": dearer})
        staff.patch(f"/subscriptions/{scheduled.id}", {"endDate": "2026-02-28T00:00:00Z"})
        events = Event.objects.filter(type="SUBSCRIPTION_CHANGED").count()
        clock(date(2026, 2, 28))
        assert generate(date(2026, 2, 28)) == 1
        assert [int(each.terms.get(until=None).price) for each in (changed, scheduled)] == [99, 49]
        assert Event.objects.filter(type="SUBSCRIPTION_CHANGED").count() == events

    def test_cost_what_was_signed_whatever_the_plan_costs_since(self, staff):
        subscription = make_subscription()
        generate(TODAY)
        assert staff.patch(f"/plans/{subscription.plan_id}", {"price": 59, "billingCycle": "YEARLY"}).status_code == 204
        generate(date(2026, 2, 28))
        assert [invoice.subtotal for invoice in Invoice.objects.order_by("number")] == [49, 49]

    def test_tell_how_far_they_are(self, capsys, monkeypatch):
        monkeypatch.setattr(renewals, "CHUNK", 1)
        monkeypatch.setattr("billing.management.commands.generate_invoices.REPORT_EVERY", -1)
        plan = make_plan()
        for _ in range(2):
            make_subscription(plan=plan)
        run = ("generate_invoices", "--date", str(TODAY), "--jobs", "1")
        call_command(*run)
        lines = capsys.readouterr().out.splitlines()
        assert [line.split(", ")[0] for line in lines[:2]] == ["1 invoices", "2 invoices"]
        make_subscription(plan=plan)
        monkeypatch.setattr("sys.stdout.isatty", lambda: True)
        call_command(*run)
        assert capsys.readouterr().out.startswith("\r1 invoices, ")

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
        assert "2 invoices would be issued: 98.00 EUR net" in capsys.readouterr().out
        assert not Invoice.objects.exists()
        call_command("generate_invoices", "--date", "2026-02-01", "--pdf")
        assert "2 invoices were issued" in capsys.readouterr().out
        assert not Invoice.objects.filter(invoice_file=None).exists()

    def test_are_announced_as_they_will_be(self, staff, settings, capsys):
        settings.BILLING_TIME_ZONE = "Europe/Berlin"
        make_subscription(next_plan=make_plan(price=5000, currency_code="JPY"))
        make_subscription(end_date=midnight(TODAY) + timedelta(hours=20))
        make_subscription(end_date=midnight(TODAY + timedelta(days=1)))
        make_subscription(status=SubscriptionStatus.CANCELLED)
        call_command("generate_invoices", "--date", str(TODAY), "--dry-run")
        assert capsys.readouterr().out.splitlines() == [
            "1 invoices would be issued: 1.75 EUR net", "1 invoices would be issued: 5,000 JPY net",
        ]  # fmt: skip
        assert generate(TODAY) == 2

    def test_are_announced_as_many_as_are_due(self, capsys):
        make_subscription(next_plan=make_plan(price=99))
        make_subscription(plan=make_plan(price=0))
        make_subscription(credit=60, end_date=midnight(date(2026, 3, 14)))
        make_subscription(price=98, credit=98, next_plan=make_plan(price=5000, currency_code="JPY"))
        day = "2026-03-31"
        call_command("generate_invoices", "--date", day, "--dry-run")
        announced = capsys.readouterr().out.splitlines()
        assert not Invoice.objects.exists()
        issued = {"EUR": [], "JPY": []}
        assert generate(date.fromisoformat(day)) == 8
        for invoice in Invoice.objects.all():
            issued[invoice.currency_code].append(invoice.subtotal)
        assert announced == [
            f"{len(found)} invoices would be issued: {shown(sum(found), currency)} net"
            for currency, found in issued.items()
        ]


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
