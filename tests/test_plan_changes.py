"""Changes of plan: at the period's end or at once, what is given back then, and what becomes of the credit."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as property_settings
from hypothesis import strategies as st

from billing import invoicing, subscriptions
from billing.models import Invoice, InvoiceStatus, SubscriptionStatus
from provisioning.models import Event
from tests.conftest import assert_error, at_once, generate
from tests.make import make_plan, make_subscription

pytestmark = pytest.mark.django_db
TODAY = date(2026, 1, 31)


def stands(subscription):
    """What was invoiced and neither credited nor is kept as credit."""
    subscription.refresh_from_db()
    return sum(each.amount - each.credited_amount for each in subscription.invoices.all()) - subscription.credit


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

    def test_by_several_at_once_is_one_after_the_other(self, staff, transactional_db):
        subscription, plans = make_subscription(), [make_plan(name=f"Plan {n}") for n in range(8)]
        changed = at_once(8, lambda n: self.change(staff, subscription, plans[n])["planId"])
        assert changed == [str(plan.id) for plan in plans]
        events = Event.objects.filter(type="SUBSCRIPTION_CHANGED").order_by("id")
        assert sorted(event.payload["subscription"]["planId"] for event in events) == sorted(changed)

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

    def test_at_once_gives_nothing_back_of_a_period_that_was_credited_wholly(self, staff, subscription, clock):
        invoice = Invoice.objects.get()
        assert staff.patch(f"/invoices/{invoice.id}", {"status": "CANCELLED"}).status_code == 204
        clock(date(2026, 2, 14))
        assert self.change(staff, subscription, make_plan(price=9))["credit"] == 0
        assert Invoice.objects.get(status=InvoiceStatus.PENDING).amount == Decimal("4.50")
        assert self.change(staff, subscription, make_plan(price=5))["credit"] == 2
        yearly = make_plan(price=Decimal(490), billing_cycle="YEARLY")
        assert self.change(staff, subscription, yearly)["credit"] == 0
        assert Invoice.objects.order_by("number").last().amount == Decimal("485.50")

    @pytest.mark.parametrize(("which", "left"), [("period", 25), ("upgrade", 24.5)])
    def test_at_once_gives_nothing_back_of_an_invoice_that_was_cancelled(self, staff, subscription, clock, which, left):
        clock(date(2026, 2, 14))
        self.change(staff, subscription, make_plan(price=99))
        invoice = Invoice.objects.get(period_start=TODAY if which == "period" else None)
        assert staff.patch(f"/invoices/{invoice.id}", {"status": "CANCELLED"}).status_code == 204
        assert self.change(staff, subscription, make_plan(price=0))["credit"] == left

    def test_at_once_gives_back_of_the_unused_days_what_was_not_credited_of_them(self, staff, subscription, clock):
        path = f"/invoices/{Invoice.objects.get().id}/credit-notes"
        assert staff.post(path, {"amount": 40}).status_code == 200
        assert staff.post(path, {"amount": 8}).status_code == 200
        clock(date(2026, 2, 14))
        assert self.change(staff, subscription, make_plan(price=0))["credit"] == 0.5

    @pytest.mark.parametrize(
        ("former", "present", "price", "lines", "credit"),
        [
            (19, 0, 99, [("49.50", "0"), ("-24.50", "19.000")], 0),
            (19, 0, 50, [], Decimal("4.16")),  # 24.50 with tax is more than 25 without
            (0, 19, 45, [("22.50", "19.000"), ("-24.50", "0.000")], 0),  # 24.50 without tax is less than 22.50 with
            (19, 0, 9, [], Decimal("24.66")),
        ],
    )
    def test_at_once_gives_unused_time_back_at_the_tax_it_was_charged_with(
        self, staff, clock, former, present, price, lines, credit
    ):
        clock(TODAY)
        subscription = make_subscription(tax_rate=Decimal(former))
        generate(TODAY)
        clock(date(2026, 2, 14))
        assert staff.patch(f"/subscriptions/{subscription.id}", {"taxRate": present}).status_code == 204
        found = self.change(staff, subscription, make_plan(price=price))
        assert Decimal(str(found["credit"])) == credit
        made = Invoice.objects.filter(period_start=None)
        kept = [(line["amount"], Decimal(line["tax_rate"])) for invoice in made for line in invoice.lines]
        assert kept == [(amount, Decimal(rate)) for amount, rate in lines]
        assert not made or made[0].amount > 0

    @pytest.mark.parametrize(("former", "present", "credit"), [(19, 0, 24.66), (0, 19, 19.14)])
    def test_at_once_to_the_same_price_again_makes_no_credit_after_a_change_of_tax(
        self, staff, clock, former, present, credit
    ):
        clock(TODAY)
        subscription = make_subscription(tax_rate=Decimal(former))
        generate(TODAY)
        clock(date(2026, 2, 14))
        assert staff.patch(f"/subscriptions/{subscription.id}", {"taxRate": present}).status_code == 204
        for _ in range(3):
            assert self.change(staff, subscription, make_plan(price=9))["credit"] == credit
        assert Invoice.objects.count() == 1

    def test_leaves_a_credit_that_is_the_same_at_another_tax_rate(self, staff, clock):
        clock(TODAY)
        subscription = make_subscription(tax_rate=Decimal(19))
        generate(TODAY)
        clock(date(2026, 2, 14))
        self.change(staff, subscription, make_plan(price=9))
        path = f"/subscriptions/{subscription.id}"
        for rate in (0, 7, 19):
            assert staff.patch(path, {"taxRate": rate}).status_code == 204
            assert staff.get(path).json()["credit"] == 23.8

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

    @pytest.mark.parametrize("at", ["now", "periodEnd"])
    def test_is_refused_where_no_day_is_left_to_change(self, staff, subscription, clock, at):
        clock(date(2026, 2, 14))
        path = f"/subscriptions/{subscription.id}"
        assert staff.patch(path, {"endDate": "2026-02-14T20:00:00Z"}).status_code == 204
        body = {"planId": str(make_plan(price=9, billing_cycle="YEARLY").id), "at": at}
        assert_error(staff.post(f"{path}/change-plan", body), 409, code="subscription_ended")
        assert staff.get(path).json()["credit"] == 0

    def test_at_once_of_a_period_billed_ahead_is_refused_where_it_ends_before(self, staff, subscription):
        generate(date(2026, 2, 28))
        path = f"/subscriptions/{subscription.id}"
        staff.patch(path, {"endDate": "2026-02-20T00:00:00Z"})
        body = {"planId": str(make_plan(billing_cycle="YEARLY").id), "at": "now"}
        assert_error(staff.post(f"{path}/change-plan", body), 409, code="subscription_ended")

    def test_at_the_period_end_is_refused_where_the_subscription_ends_with_it(self, staff, subscription):
        path = f"/subscriptions/{subscription.id}"
        staff.patch(path, {"cancelAtPeriodEnd": True})
        refused = staff.post(f"{path}/change-plan", {"planId": str(make_plan().id)})
        assert_error(refused, 409, code="subscription_ended")
        assert staff.get(path).json()["nextPlanId"] is None

    @pytest.mark.parametrize(
        ("plan", "charged"),
        [
            ({"price": 98}, Decimal("10.50")),
            ({"price": 365, "billing_cycle": "YEARLY"}, 0),  # six days at 1.00 instead of 1.75
        ],
    )
    def test_at_once_charges_no_day_after_the_end_and_each_day_once_if_it_goes_on(
        self, staff, subscription, clock, plan, charged
    ):
        clock(date(2026, 2, 14))
        path, last = f"/subscriptions/{subscription.id}", date(2026, 2, 20)
        assert staff.patch(path, {"endDate": f"{last}T00:00:00Z"}).status_code == 204
        credit = self.change(staff, subscription, make_plan(**plan))["credit"]
        assert Invoice.objects.get(period_start=None).amount == charged
        assert credit == (14 if charged else 14 + 4.5)  # of the eight days after the end
        assert generate(date(2026, 2, 28)) == 0
        assert staff.patch(path, {"endDate": None}).status_code == 204
        clock(last)
        assert generate(last) == 1
        renewal = Invoice.objects.get(period_start=last)
        assert float(renewal.subtotal) == plan["price"] - credit

    @pytest.mark.parametrize("at", ["now", "periodEnd"])
    def test_reaches_no_days_before_it_where_runs_were_missed(self, staff, subscription, clock, at):
        clock(date(2026, 4, 14))
        self.change(staff, subscription, make_plan(price=9), at=at)
        generate(date(2026, 4, 14))
        periods = subscription.invoices.exclude(period_start=TODAY).order_by("period_start")
        assert [(str(each.period_start), each.subtotal) for each in periods] == [("2026-02-28", 49), ("2026-03-31", 49)]

    def test_is_refused_where_it_ended_before_what_no_run_has_billed(self, staff, subscription, clock):
        staff.patch(f"/subscriptions/{subscription.id}", {"endDate": "2026-03-14T00:00:00Z"})
        clock(date(2026, 4, 14))
        body = {"planId": str(make_plan(price=9).id), "at": "now"}
        answer = staff.post(f"/subscriptions/{subscription.id}/change-plan", body)
        assert_error(answer, 409, code="subscription_ended")
        assert Invoice.objects.count() == 1

    @pytest.mark.parametrize("at", ["now", "periodEnd"])
    def test_of_a_deleted_tenant_is_refused(self, staff, subscription, clock, at):
        assert staff.delete(f"/tenants/{subscription.tenant_id}").status_code == 204
        clock(date(2026, 2, 14))
        body = {"planId": str(make_plan(price=99).id), "at": at}
        refused = staff.post(f"/subscriptions/{subscription.id}/change-plan", body)
        assert_error(refused, 409, code="tenant_deleted")
        assert Invoice.objects.count() == 1

    @pytest.mark.parametrize("price", [9, 49])
    @pytest.mark.parametrize("rate", [0, 25])
    def test_has_its_credit_come_back_when_the_invoice_it_was_taken_off_is_cancelled(
        self, staff, subscription, clock, price, rate
    ):
        clock(date(2026, 2, 14))
        assert self.change(staff, subscription, make_plan(price=9))["credit"] == 20
        path = f"/subscriptions/{subscription.id}"
        assert staff.patch(path, {"price": price}).status_code == 204
        clock(date(2026, 2, 28))
        generate(date(2026, 2, 28))
        assert staff.patch(path, {"taxRate": rate}).status_code == 204
        invoice = Invoice.objects.get(period_start="2026-02-28")
        assert invoice.amount == max(price - 20, 0)
        if invoice.amount:
            left = staff.get(path).json()["credit"]
            assert staff.post(f"/invoices/{invoice.id}/credit-notes", {"amount": 5}).status_code == 200
            assert staff.get(path).json()["credit"] == left
        assert staff.patch(f"/invoices/{invoice.id}", {"status": "CANCELLED"}).status_code == 204
        assert staff.get(path).json()["credit"] == 20
        assert self.change(staff, subscription, make_plan(price=0))["credit"] == 20

    @pytest.mark.parametrize("first", ["cancelled", "changed"])
    def test_and_a_cancellation_of_the_invoice_give_no_money_twice_in_either_order(
        self, staff, subscription, clock, first
    ):
        path = f"/invoices/{Invoice.objects.get().id}"
        clock(date(2026, 2, 14))
        if first == "cancelled":
            assert staff.patch(path, {"status": "CANCELLED"}).status_code == 204
        self.change(staff, subscription, make_plan(price=9))
        if first == "changed":
            assert staff.patch(path, {"status": "CANCELLED"}).status_code == 204
        assert stands(subscription) >= 0
        assert staff.get(f"/subscriptions/{subscription.id}").json()["credit"] == 0

    @pytest.mark.parametrize("first", ["cancelled", "changed"])
    def test_to_another_cycle_and_a_cancellation_of_the_unpaid_invoice_leave_no_free_months(self, staff, clock, first):
        clock(TODAY)
        subscription = make_subscription(plan=make_plan(price=1200, billing_cycle="YEARLY"))
        generate(TODAY)
        path = f"/invoices/{Invoice.objects.get().id}"
        clock(date(2026, 2, 3))
        if first == "cancelled":
            assert staff.patch(path, {"status": "CANCELLED"}).status_code == 204
        self.change(staff, subscription, make_plan(price=100))
        if first == "changed":  # of the 1,190.14 given back the first month is paid already
            refused = staff.patch(path, {"status": "CANCELLED"})
            assert "1,100.00 EUR" in assert_error(refused, 409, code="amount")["message"]
            assert staff.post(f"{path}/credit-notes", {"amount": 1100.01}).status_code == 409
            assert staff.post(f"{path}/credit-notes", {"amount": 1100}).status_code == 200
        for month in range(3, 13):
            clock(date(2026, month, 3))
            generate(date(2026, month, 3))
        assert stands(subscription) == 1100

    def test_that_was_paid_by_credit_is_cancelled_before_the_invoice_the_credit_came_from(self, staff, clock):
        clock(TODAY)
        subscription = make_subscription(plan=make_plan(price=1200, billing_cycle="YEARLY"), tax_rate=Decimal(19))
        generate(TODAY)
        clock(date(2026, 2, 3))
        self.change(staff, subscription, make_plan(price=100))
        for invoice in Invoice.objects.order_by("-number"):
            assert staff.patch(f"/invoices/{invoice.id}", {"status": "CANCELLED"}).status_code == 204
        assert stands(subscription) == 0
        assert self.change(staff, subscription, make_plan(price=0))["credit"] == 0

    def test_and_many_periods_paid_by_its_credit_are_cancelled_by_one_request(self, staff, clock):
        clock(TODAY)
        subscription = make_subscription(plan=make_plan(price=1200, billing_cycle="YEARLY"))
        generate(TODAY)
        clock(date(2026, 2, 3))
        self.change(staff, subscription, make_plan(price=100))
        generate(date(2026, 12, 3))
        assert staff.patch('/invoices?where={"status":{"neq":2}}', {"status": "CANCELLED"}).json() == {"count": 12}
        assert stands(subscription) == 0

    def test_is_given_back_of_the_latest_invoices_first(self, staff, subscription, clock):
        clock(date(2026, 2, 14))
        self.change(staff, subscription, make_plan(price=99))
        assert self.change(staff, subscription, make_plan(price=9))["credit"] == 45
        given = dict(Invoice.objects.values_list("amount", "given_back"))
        assert given == {25: 25, 49: 20}
        former = Invoice.objects.get(amount=49)
        assert staff.post(f"/invoices/{former.id}/credit-notes", {"amount": 29}).status_code == 200
        assert staff.get(f"/subscriptions/{subscription.id}").json()["credit"] == 45
        assert staff.post(f"/invoices/{former.id}/credit-notes", {"amount": 20}).status_code == 200
        assert staff.get(f"/subscriptions/{subscription.id}").json()["credit"] == 25

    @property_settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        changes=st.lists(
            st.tuples(st.integers(0, 27), st.integers(1, 99_999), st.sampled_from(["0", "7", "8.1", "19", "100"])),
            max_size=6,
        ),
        next_price=st.integers(1_000_000, 1_000_100),
    )
    def test_never_makes_or_loses_a_cent_over_any_sequence_of_prices_and_tax_rates(self, clock, changes, next_price):
        """What is charged, once the credit is used up, is what the days of each plan came to, with tax."""
        clock(TODAY)
        subscription = make_subscription(plan=make_plan(price=Decimal("49.90")), tax_rate=Decimal(19))
        generate(TODAY)
        had = [(0, Decimal("49.90"), Decimal(19))]
        for day, cents, rate in sorted(changes, key=lambda change: change[0]):
            clock(TODAY + timedelta(days=day))
            price, tax_rate = Decimal(cents) / 100, Decimal(rate)
            subscriptions.amend(subscription.id, values={"tax_rate": tax_rate}, actor=None)
            subscriptions.change_plan(subscription.id, plan=make_plan(price=price), at_once=True, actor=None)
            had.append((day, price, tax_rate))
        subscriptions.amend(subscription.id, values={"price": Decimal(next_price) / 100}, actor=None)
        generate(date(2026, 2, 28))
        owed = in_cents(Decimal(next_price) * (100 + had[-1][2]) / 10_000)
        for (first, price, tax_rate), (last, *_) in zip(had, [*had[1:], (28, None)], strict=True):
            unused = [price - in_cents(price * day / 28) for day in (first, last)]
            with_tax = [in_cents(net * (100 + tax_rate) / 100) for net in unused]
            owed += with_tax[0] - with_tax[1]
        invoices = list(subscription.invoices.order_by("-number"))
        assert sum(invoice.amount for invoice in invoices) == owed
        for invoice in invoices:
            taxes = sum(Decimal(tax["tax"]) for tax in invoice.taxes)
            assert sum(Decimal(line["amount"]) for line in invoice.lines) + taxes == invoice.amount
            invoicing.change(invoice.id, values={}, lines=None, status=InvoiceStatus.CANCELLED, actor=None)
        assert stands(subscription) == subscription.credit == 0


def in_cents(amount):
    return amount.quantize(Decimal("0.01"), "ROUND_HALF_UP")


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


def test_a_credit_does_not_come_back_to_a_subscription_in_another_currency(staff, clock):
    subscription = make_subscription()
    clock(date(2026, 2, 14))
    generate(date(2026, 2, 14))
    path = f"/subscriptions/{subscription.id}"
    staff.post(f"{path}/change-plan", {"planId": str(make_plan(price=Decimal(30)).id), "at": "now"})
    generate(date(2026, 2, 28))
    staff.post(f"{path}/change-plan", {"planId": str(make_plan(price=Decimal(5000), currency_code="JPY").id)})
    generate(date(2026, 3, 31))
    invoice = subscription.invoices.get(period_start="2026-02-28")
    assert_error(staff.patch(f"/invoices/{invoice.id}", {"status": "CANCELLED"}), 409, code="currency")
    assert staff.get(path).json()["credit"] == 0


def test_a_credit_holds_a_next_plan_back_that_came_to_cost_another_currency(staff, clock):
    subscription = make_subscription()
    clock(date(2026, 2, 14))
    generate(date(2026, 2, 14))
    path, scheduled = f"/subscriptions/{subscription.id}/change-plan", make_plan(price=Decimal(20))
    staff.post(path, {"planId": str(make_plan(price=Decimal(15)).id), "at": "now"})
    staff.post(path, {"planId": str(scheduled.id)})
    assert staff.patch(f"/plans/{scheduled.id}", {"currencyCode": "JPY", "price": 5000}).status_code == 204
    generate(date(2026, 4, 30))
    found = subscription.invoices.order_by("period_start").values_list("amount", "currency_code")
    assert list(found) == [(49, "EUR"), (0, "EUR"), (13, "EUR"), (5000, "JPY")]
