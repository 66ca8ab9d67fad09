"""Subscriptions: what may be signed and amended, and the end."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from billing.models import Invoice, SubscriptionStatus
from provisioning.models import Delivery
from tenants.models import TenantStatus
from tests.conftest import assert_error, generate
from tests.make import make_contact, make_lead, make_plan, make_subscription, make_tenant

pytestmark = pytest.mark.django_db
TODAY = date(2026, 1, 31)


class TestTheEnd:
    def test_comes_with_the_paid_period_and_is_told_before(self, staff, clock):
        clock(TODAY)
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

    def test_that_was_put_off_is_told_again(self, staff, clock):
        subscription = make_subscription(end_date=datetime(2026, 2, 10, tzinfo=UTC))
        clock(date(2026, 2, 5))
        call_command("expire_subscriptions")
        staff.patch(f"/subscriptions/{subscription.id}", {"endDate": "2026-06-10T00:00:00Z"})
        for day in (date(2026, 2, 6), date(2026, 6, 5), date(2026, 6, 6)):
            clock(day)
            call_command("expire_subscriptions")
        assert Delivery.objects.filter(destination="mail:subscription_ending").count() == 2

    def test_of_a_term_is_an_expiry(self, staff, capsys):
        subscription = make_subscription(end_date=timezone.now() - timedelta(days=1))
        for expected in ("1 subscriptions ended", "0 subscriptions ended"):
            call_command("expire_subscriptions")
            assert expected in capsys.readouterr().out
        subscription.refresh_from_db()
        assert subscription.status == SubscriptionStatus.EXPIRED

    def test_leaves_no_day_before_it_unbilled(self, staff, clock):
        subscription = make_subscription(end_date=datetime(2026, 3, 14, tzinfo=UTC))
        gone = make_subscription(end_date=datetime(2026, 3, 14, tzinfo=UTC))
        staff.delete(f"/tenants/{gone.tenant_id}")
        clock(date(2026, 3, 14))
        call_command("expire_subscriptions")
        days = Invoice.objects.order_by("period_start").values_list("subscription", "period_start", "end_date__date")
        assert [(id, str(first), str(end)) for id, first, end in days] == [
            (subscription.id, "2026-01-31", "2026-02-28"), (subscription.id, "2026-02-28", "2026-03-14"),
        ]  # fmt: skip
        subscription.refresh_from_db()
        assert (subscription.status, subscription.next_invoice_on) == (SubscriptionStatus.EXPIRED, None)

    def test_lies_ahead_also_where_runs_were_missed(self, staff, clock):
        subscription = make_subscription()
        clock(date(2026, 3, 10))
        path = f"/subscriptions/{subscription.id}"
        assert staff.patch(path, {"price": 60, "cancelAtPeriodEnd": True}).status_code == 204
        assert staff.get(path).json()["endDate"] == "2026-03-31T00:00:00Z"
        assert list(subscription.invoices.values_list("subtotal", flat=True)) == [49, 49]
        assert generate(date(2026, 6, 1)) == 0

    def test_can_be_taken_back(self, staff, clock):
        clock(TODAY)
        subscription = make_subscription()
        generate(TODAY)
        path = f"/subscriptions/{subscription.id}"
        staff.patch(path, {"cancelAtPeriodEnd": True})
        generate(date(2026, 3, 1))
        assert staff.patch(path, {"cancelAtPeriodEnd": False}).status_code == 204
        assert generate(date(2026, 3, 1)) == 1

    def test_taken_back_before_anything_was_billed_lets_the_first_period_begin(self, staff, clock):
        clock(date(2026, 1, 20))
        trial, tenant = make_plan(trial_days=11), make_tenant(status=TenantStatus.ACTIVE)
        made = staff.post("/subscriptions", {"tenantId": str(tenant.id), "planId": str(trial.id)}).json()
        staff.patch(f"/subscriptions/{made['id']}", {"cancelAtPeriodEnd": True})
        clock(TODAY)
        tenant = make_tenant(status=TenantStatus.ACTIVE)
        body = {"tenantId": str(tenant.id), "planId": str(make_plan().id), "endDate": "2026-01-31T20:00:00Z"}
        other = staff.post("/subscriptions", body).json()
        assert generate(TODAY) == 0
        assert staff.patch(f"/subscriptions/{made['id']}", {"cancelAtPeriodEnd": False}).status_code == 204
        assert staff.patch(f"/subscriptions/{other['id']}", {"endDate": None}).status_code == 204
        assert generate(TODAY) == 2
        assert set(Invoice.objects.values_list("period_start", flat=True)) == {TODAY}

    def test_of_a_trial_that_is_taken_back_leaves_the_trial_free(self, staff, clock):
        clock(TODAY)
        trial, tenant = make_plan(trial_days=20), make_tenant(status=TenantStatus.ACTIVE)
        made = staff.post("/subscriptions", {"tenantId": str(tenant.id), "planId": str(trial.id)}).json()
        path, last = f"/subscriptions/{made['id']}", date(2026, 2, 20)
        staff.post(f"{path}/change-plan", {"planId": str(make_plan().id), "at": "now"})  # which has no trial
        staff.patch(path, {"cancelAtPeriodEnd": True})
        clock(last)
        assert generate(last) == 0
        staff.patch(path, {"cancelAtPeriodEnd": False})
        assert generate(last) == 1
        assert Invoice.objects.get().period_start == last

    def test_that_was_agreed_stays_where_no_cancellation_is_taken_back(self, staff):
        path = f"/subscriptions/{make_subscription(end_date=datetime(2036, 12, 31, tzinfo=UTC)).id}"
        assert staff.patch(path, {"price": 60, "cancelAtPeriodEnd": False}).status_code == 204
        assert staff.get(path).json()["endDate"] == "2036-12-31T00:00:00Z"

    def test_that_was_agreed_comes_back_when_a_cancellation_is_taken_back(self, staff, clock):
        clock(TODAY)
        path = f"/subscriptions/{make_subscription(end_date=datetime(2026, 12, 31, tzinfo=UTC)).id}"
        generate(TODAY)
        for cancelled in (True, True, False, False):
            assert staff.patch(path, {"cancelAtPeriodEnd": cancelled}).status_code == 204
            end = "2026-02-28" if cancelled else "2026-12-31"
            assert staff.get(path).json()["endDate"] == f"{end}T00:00:00Z"

    def test_that_was_agreed_is_not_put_off_by_a_cancellation_nor_told_again(self, staff, clock):
        clock(date(2026, 2, 10))
        path = f"/subscriptions/{make_subscription(end_date=datetime(2026, 2, 14, tzinfo=UTC)).id}"
        for cancelled in (True, False):
            call_command("expire_subscriptions")
            assert staff.patch(path, {"cancelAtPeriodEnd": cancelled}).status_code == 204
            assert staff.get(path).json()["endDate"] == "2026-02-14T00:00:00Z"
        call_command("expire_subscriptions")
        assert Delivery.objects.filter(destination="mail:subscription_ending").count() == 1

    @pytest.mark.parametrize("day", [None, "2036-12-31T00:00:00Z"])
    def test_that_is_set_takes_the_place_of_a_cancellation(self, staff, clock, day):
        clock(TODAY)
        path = f"/subscriptions/{make_subscription().id}"
        generate(TODAY)
        for values in ({"cancelAtPeriodEnd": True}, {"endDate": day}):
            assert staff.patch(path, values).status_code == 204
        found = staff.get(path).json()
        assert (found["cancelAtPeriodEnd"], found["endDate"]) == (False, day)

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
        {"price": 10_000_000_001},
    ],
)  # fmt: skip
def test_a_subscription_that_makes_no_sense_is_refused(staff, values):
    body = {"tenantId": str(make_tenant().id), "planId": str(make_plan().id), **values}
    assert_error(staff.post("/subscriptions", body), 422)


def test_the_dearest_subscription_is_invoiced_with_the_highest_tax(staff):
    subscription = make_subscription()
    path = f"/subscriptions/{subscription.id}"
    assert_error(staff.patch(path, {"price": 10_000_000_001}), 422)
    assert staff.patch(path, {"price": 10_000_000_000, "taxRate": 100}).status_code == 204
    assert generate(TODAY) == 1
    assert Invoice.objects.get().amount == 20_000_000_000


def test_a_lead_sees_its_subscription_and_changes_nothing(caller_for):
    subscription, _ = make_subscription(make_tenant(lead=make_lead())), make_subscription()
    lead = caller_for(subscription.tenant.lead)
    assert [each["id"] for each in lead.get("/subscriptions").json()] == [str(subscription.id)]
    path = f"/subscriptions/{subscription.id}"
    assert_error(lead.patch(path, {"price": 0}), 403)
    assert_error(lead.post(f"{path}/change-plan", {"planId": str(make_plan().id)}), 403)
    assert_error(lead.post("/subscriptions", {}), 403)
