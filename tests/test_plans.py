"""The catalogue, and how a provision request chooses from it."""

from decimal import Decimal

import pytest

from billing.models import Plan
from provisioning.models import ProvisioningRun
from tests.conftest import Caller, assert_error
from tests.make import SUBSCRIPTION, make_lead, make_plan

pytestmark = pytest.mark.django_db
PLAN = {
    "name": "Standard", "tier": "STANDARD", "price": 49.9, "currencyCode": "EUR", "billingCycle": "MONTHLY",
    "trialDays": 14, "features": ["Single sign-on"], "sizeConfig": {"cpu": 2}, "isSelfService": True,
    "isActive": True, "description": "For teams.",
}  # fmt: skip


def names(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [plan["name"] for plan in answer.json()]


class TestTheCatalogue:
    @pytest.fixture(autouse=True)
    def plans(self):
        make_plan(name="Dear", price=99)
        make_plan(name="Cheap", price=9)
        make_plan(name="Retired", price=1, is_active=False)
        make_plan(name="By contract", price=2, is_self_service=False)

    def test_shows_to_anyone_what_is_for_self_service_the_cheapest_first(self, anyone, caller_for, caller_with):
        for caller in (anyone, caller_for(make_lead()), caller_with("10207")):
            assert names(caller.get("/plans")) == ["Cheap", "Dear"]
            assert caller.get("/plans/count").json() == {"count": 2}
            assert caller.get("/plans", filter={"where": {"isActive": False}}).json() == []
            assert_error(caller.get(f"/plans/{Plan.objects.get(name='Retired').id}"), 404)

    def test_shows_all_to_who_may_view_plans(self, caller_with):
        assert names(caller_with("7008").get("/plans")) == ["Retired", "By contract", "Cheap", "Dear"]

    def test_is_ordered_as_asked(self, anyone):
        assert names(anyone.get("/plans", ordering="-price")) == ["Dear", "Cheap"]
        assert names(anyone.get("/plans", filter={"order": "name DESC"})) == ["Dear", "Cheap"]

    def test_refuses_a_token_that_is_none(self, anyone):
        assert_error(Caller("nonsense").get("/plans"), 401)


def test_a_plan_is_created_read_changed_and_deleted_with_its_codes(staff, caller_with, anyone):
    made = caller_with("7005").post("/plans", PLAN).json()
    assert {name: made[name] for name in PLAN} == PLAN
    path = f"/plans/{made['id']}"
    assert anyone.get(path).json() == made
    assert caller_with("7006").patch(path, {"price": 59}).status_code == 204
    assert anyone.get(path).json()["price"] == 59
    assert caller_with("7006").put(path, PLAN).status_code == 204
    assert caller_with("7007").delete(path).status_code == 204
    assert_error(anyone.get(path), 404)


@pytest.mark.parametrize(("method", "code"), [("POST", "7005"), ("PATCH", "7006"), ("PUT", "7006"), ("DELETE", "7007")])
def test_only_its_code_lets_write(anyone, caller_with, caller_for, method, code):
    path = "/plans" if method == "POST" else f"/plans/{make_plan().id}"
    assert_error(anyone.request(method, path, PLAN), 401)
    for caller in (caller_with("7008", "7001", "7002"), caller_for(make_lead())):
        assert_error(caller.request(method, path, PLAN), 403)
    assert caller_with(code).request(method, path, PLAN).status_code in (200, 204)


@pytest.mark.parametrize(
    "change",
    [
        {"tier": "GOLD"}, {"tier": 1}, {"tier": ["BASIC"]}, {"price": -1}, {"price": 1.005}, {"price": "NaN"},
        {"currencyCode": "ZZZ"}, {"currencyCode": "XAU"}, {"currencyCode": "eur"}, {"billingCycle": "DAILY"},
        {"trialDays": -1}, {"trialDays": 1000}, {"sizeConfig": []}, {"name": "a\nb"}, {"unknown": 1},
        {"price": 10_000_000_001}, {"price": 5.5, "currencyCode": "JPY"},
    ],
)  # fmt: skip
def test_a_plan_with_a_bad_field_is_refused(staff, change):
    made = staff.post("/plans", PLAN).json()
    assert_error(staff.post("/plans", {**PLAN, **change}), 422)
    assert_error(staff.patch(f"/plans/{made['id']}", change), 422)
    assert staff.get(f"/plans/{made['id']}").json() == made


def test_a_bulk_change_leaves_no_price_that_its_currency_cannot_have(staff):
    plan = make_plan(currency_code="EUR", price=Decimal("49.55"))
    path = '/plans?where={"currencyCode":"EUR"}'
    for change in ({"price": 49.555}, {"price": 50}, {"currencyCode": "JPY"}, {"price": 49.5, "currencyCode": "JPY"}):
        assert_error(staff.patch(path, change), 422)
    plan.refresh_from_db()
    assert (plan.price, plan.currency_code) == (Decimal("49.55"), "EUR")
    assert staff.patch(path, {"price": 5000, "currencyCode": "JPY"}).json() == {"count": 1}
    assert staff.patch('/plans?where={"currencyCode":"JPY"}', {"isActive": False}).json() == {"count": 1}


def test_tier_and_cycle_are_taken_in_any_letter_case(staff):
    made = staff.post("/plans", {**PLAN, "tier": "premium", "billingCycle": "Yearly"}).json()
    assert (made["tier"], made["billingCycle"]) == ("PREMIUM", "YEARLY")


class TestProvisioning:
    def test_by_plan_id_carries_the_plan_in_the_event(self, lead, tenant, relayed):
        plan = make_plan(tier="PREMIUM", size_config={"cpu": 8})
        assert lead.post(f"/tenants/{tenant.id}/provision", {"planId": str(plan.id)}).status_code == 204
        (event,) = relayed()
        assert event["isolation"] == "silo"
        assert event["subscription"]["planId"] == event["subscription"]["plan"]["id"] == str(plan.id)
        assert event["subscription"]["plan"]["sizeConfig"] == {"cpu": 8}
        assert event["subscription"]["id"]
        assert "createdOn" not in event["subscription"]["plan"]

    def test_refuses_a_lead_any_plan_of_its_own(self, lead, tenant):
        plan = make_plan()
        path = f"/tenants/{tenant.id}/provision"
        assert_error(lead.post(path, SUBSCRIPTION), 422)
        assert_error(lead.post(path, {"planId": str(plan.id), "plan": {"tier": "PREMIUM"}}), 422)
        assert_error(lead.post(path, {"planId": str(plan.id), "startDate": "2026-01-01T00:00:00Z"}), 422)
        assert_error(lead.post(path, {}), 400)
        assert not ProvisioningRun.objects.exists()

    @pytest.mark.parametrize("values", [{"is_active": False}, {"is_self_service": False}, {"deleted": True}])
    def test_lets_a_lead_choose_only_what_is_for_self_service(self, lead, tenant, values):
        body = {"planId": str(make_plan(**values).id)}
        assert_error(lead.post(f"/tenants/{tenant.id}/provision", body), 422)
        tenant.refresh_from_db()
        assert tenant.status == 1

    def test_lets_staff_choose_any_active_plan(self, staff, tenant):
        path = f"/tenants/{tenant.id}/provision"
        assert_error(staff.post(path, {"planId": str(make_plan(is_active=False).id)}), 422)
        assert_error(staff.post(path, {"planId": "p-1"}), 422)
        assert staff.post(path, {"planId": str(make_plan(is_self_service=False).id)}).status_code == 204
