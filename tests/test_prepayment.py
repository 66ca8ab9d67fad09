"""The first period where it is paid before the tenant is provisioned: it begins when that is done, however late."""

from datetime import date

import pytest

from billing.models import CreditNote, Invoice, InvoiceStatus, SubscriptionStatus
from tests.conftest import assert_error, call_back, generate, open_run, report
from tests.make import make_plan, make_tenant
from tests.test_documents import text_of

pytestmark = pytest.mark.django_db


def provision(staff, tenant, plan):
    return staff.post(f"/tenants/{tenant.id}/provision", {"planId": str(plan.id)})


def build(tenant, status=1):
    run = open_run(tenant.id)
    assert call_back(run, report(run, status=status)).status_code == 204


def ask(staff, settings, **plan):
    """A tenant whose first invoice is out since January 1, its plan and that invoice."""
    settings.BILLING_PAYMENT_FIRST = True
    tenant, plan = make_tenant(), make_plan(**plan)
    assert_error(provision(staff, tenant, plan), 402, code="payment_required")
    return tenant, plan, Invoice.objects.get()


def pay(staff, invoice):
    assert staff.patch(f"/invoices/{invoice.id}", {"status": "PAID"}).status_code == 204


def periods(tenant):
    return [(str(each.period_start), each.subtotal) for each in tenant.invoices.order_by("number")]


def revenue(staff):
    (euro,) = staff.get("/billing/summary", months="3").json()["currencies"]
    return [month["mrr"] for month in euro["months"]]


@pytest.mark.parametrize("failures", [[], [date(2026, 2, 1), date(2026, 2, 20)]])
def test_what_was_paid_before_is_the_period_that_begins_when_the_tenant_is_provisioned(
    staff, settings, clock, failures
):
    clock(date(2026, 1, 1))
    tenant, plan, invoice = ask(staff, settings)
    made = staff.get("/subscriptions").json()[0]
    assert (made["startDate"], made["periodStart"], made["nextInvoiceOn"]) == (None, None, None)
    clock(date(2026, 1, 28))
    pay(staff, invoice)
    for day in failures:
        clock(day)
        assert provision(staff, tenant, plan).status_code == 204
        build(tenant, status=0)
    clock(date(2026, 3, 5))
    assert provision(staff, tenant, plan).status_code == 204
    assert generate(date(2026, 3, 5)) == 0
    build(tenant)
    assert generate(date(2026, 4, 4)) == 0
    found = staff.get(f"/subscriptions/{made['id']}").json()
    assert (found["periodStart"], found["nextInvoiceOn"]) == ("2026-03-05", "2026-04-05")
    assert revenue(staff) == [0, 0, 49]
    assert generate(date(2026, 4, 5)) == 1
    assert periods(tenant) == [("2026-03-05", 49), ("2026-04-05", 49)]


def test_an_invoice_that_is_paid_before_says_no_days(staff, settings):
    *_, invoice = ask(staff, settings)
    assert [line["description"] for line in invoice.lines] == ["Standard, first month of service"]
    assert invoice.end_date == invoice.start_date
    text, _ = text_of(staff.get(f"/invoices/{invoice.id}/download").content)
    assert "Period" not in text
    Invoice.objects.all().delete()
    *_, invoice = ask(staff, settings, billing_cycle="YEARLY")
    assert [line["description"] for line in invoice.lines] == ["Standard, first 12 months of service"]


def test_what_was_paid_before_is_given_back_by_the_days_of_its_real_period_at_the_price_that_was_paid(
    staff, settings, clock
):
    clock(date(2026, 1, 1))
    tenant, plan, invoice = ask(staff, settings, price=62)
    pay(staff, invoice)
    path = f"/subscriptions/{tenant.subscriptions.get().id}"
    staff.patch(path, {"price": 99})  # from the next invoice on
    clock(date(2026, 3, 1))
    provision(staff, tenant, plan)
    build(tenant)
    assert revenue(staff) == [0, 0, 62]
    assert staff.post(f"/invoices/{invoice.id}/credit-notes", {"amount": 31}).status_code == 200
    clock(date(2026, 3, 11))
    change = {"planId": str(make_plan(price=0).id), "at": "now"}
    assert staff.post(f"{path}/change-plan", change).json()["credit"] == 21


def test_what_was_paid_before_of_days_after_the_end_is_credit(staff, settings, clock):
    clock(date(2026, 1, 1))
    tenant, plan, invoice = ask(staff, settings, price=62)
    path = f"/subscriptions/{tenant.subscriptions.get().id}"
    assert staff.patch(path, {"endDate": "2026-03-11T00:00:00Z"}).status_code == 204
    pay(staff, invoice)
    clock(date(2026, 3, 1))
    provision(staff, tenant, plan)
    build(tenant)
    found = staff.get(path).json()
    assert (found["periodEnd"], found["credit"]) == ("2026-03-11", 42)
    staff.patch(path, {"endDate": None})
    assert generate(date(2026, 3, 11)) == 1
    assert [each.amount for each in tenant.invoices.order_by("number")] == [62, 20]


@pytest.mark.parametrize(
    ("end", "day"), [("2026-02-01T00:00:00Z", date(2026, 3, 1)), ("2026-01-01T18:00:00Z", date(2026, 1, 1))]
)
def test_what_was_paid_before_a_tenant_that_is_there_after_the_end_only_is_all_credit(staff, settings, clock, end, day):
    clock(date(2026, 1, 1))
    tenant, plan, invoice = ask(staff, settings)
    path = f"/subscriptions/{tenant.subscriptions.get().id}"
    staff.patch(path, {"endDate": end})
    pay(staff, invoice)
    provision(staff, tenant, plan)
    clock(day)
    build(tenant)
    assert generate(day) == 0
    assert staff.get(path).json()["credit"] == 49
    assert staff.patch(path, {"endDate": None}).status_code == 204
    assert generate(day) == 1
    assert [each.amount for each in tenant.invoices.order_by("number")] == [49, 0]
    assert_error(staff.patch(f"/invoices/{invoice.id}", {"status": "CANCELLED"}), 409, code="amount")


def test_no_other_plan_begins_before_the_period_that_is_paid_before_is_over(staff, settings, clock):
    clock(date(2026, 1, 1))
    tenant, plan, invoice = ask(staff, settings)
    path = f"/subscriptions/{tenant.subscriptions.get().id}/change-plan"
    change = {"planId": str(make_plan(price=99).id)}
    assert_error(staff.post(path, {**change, "at": "now"}), 409, code="plan_chosen")
    assert staff.post(path, change).status_code == 200
    pay(staff, invoice)
    clock(date(2026, 3, 5))
    provision(staff, tenant, plan)
    build(tenant)
    assert generate(date(2026, 4, 5)) == 1
    assert periods(tenant) == [("2026-03-05", 49), ("2026-04-05", 99)]


def test_a_trial_that_the_plan_gets_later_is_none_for_what_was_paid_before(staff, settings, clock):
    clock(date(2026, 1, 1))
    tenant, plan, invoice = ask(staff, settings)
    pay(staff, invoice)
    assert staff.patch(f"/plans/{plan.id}", {"trialDays": 14}).status_code == 204
    provision(staff, tenant, plan)
    build(tenant)
    assert (periods(tenant), tenant.subscriptions.get().next_invoice_on) == (
        [("2026-01-01", 49)], date(2026, 2, 1),
    )  # fmt: skip


def test_a_first_invoice_that_is_cancelled_while_the_tenant_is_built_is_followed_by_another(staff, settings, clock):
    clock(date(2026, 1, 1))
    tenant, plan, invoice = ask(staff, settings)
    pay(staff, invoice)
    provision(staff, tenant, plan)
    assert staff.patch(f"/invoices/{invoice.id}", {"status": "CANCELLED"}).status_code == 204
    clock(date(2026, 3, 5))
    build(tenant)
    assert [(each.status, each.amount) for each in tenant.invoices.order_by("number")] == [(2, 49), (0, 49)]


def test_a_trial_begins_when_the_tenant_is_provisioned_and_has_nothing_paid_before(staff, settings, clock):
    settings.BILLING_PAYMENT_FIRST = True
    clock(date(2026, 1, 1))
    tenant, plan = make_tenant(), make_plan(trial_days=14)
    assert provision(staff, tenant, plan).status_code == 204
    clock(date(2026, 3, 5))
    build(tenant)
    assert generate(date(2026, 3, 18)) == 0
    assert generate(date(2026, 3, 19)) == 1


@pytest.mark.parametrize(("agreed", "first"), [("2026-01-01", "2026-03-05"), ("2026-04-01", "2026-04-01")])
@pytest.mark.parametrize("paid_first", [False, True])
def test_no_period_begins_before_the_tenant_is_provisioned_nor_before_the_start_that_was_agreed(
    staff, settings, clock, agreed, first, paid_first
):
    settings.BILLING_PAYMENT_FIRST = paid_first
    clock(date(2026, 1, 1))
    tenant, plan = make_tenant(), make_plan()
    body = {"tenantId": str(tenant.id), "planId": str(plan.id), "startDate": f"{agreed}T00:00:00Z"}
    assert staff.post("/subscriptions", body).status_code == 200
    clock(date(2026, 3, 5))
    if paid_first:
        assert_error(provision(staff, tenant, plan), 402)
        pay(staff, Invoice.objects.get())
    assert provision(staff, tenant, plan).status_code == 204
    build(tenant)
    generate(date(2026, 4, 4))
    assert periods(tenant) == [(first, 49)]


@pytest.mark.parametrize("paid", [False, True])
def test_a_first_invoice_is_not_asked_for_any_more_once_its_subscription_is_cancelled(staff, settings, clock, paid):
    clock(date(2026, 1, 1))
    tenant, _, invoice = ask(staff, settings)
    if paid:
        pay(staff, invoice)
    subscription = tenant.subscriptions.get()
    assert staff.patch(f"/subscriptions/{subscription.id}", {"cancelAtPeriodEnd": True}).status_code == 204
    subscription.refresh_from_db()
    invoice.refresh_from_db()
    assert subscription.status == SubscriptionStatus.CANCELLED
    assert invoice.status == (InvoiceStatus.PAID if paid else InvoiceStatus.CANCELLED)
    assert CreditNote.objects.count() == (0 if paid else 1)
