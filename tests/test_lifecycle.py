"""The only status moves there are (CONTRACT section 6b)."""

import pytest

from provisioning.models import Event, ProvisioningRun
from tenants.models import Tenant, TenantStatus
from tests.conftest import assert_error
from tests.make import SUBSCRIPTION, make_tenant

pytestmark = pytest.mark.django_db
S = TenantStatus
MOVES = {
    "provision": ({S.PENDINGPROVISION, S.PROVISIONFAILED}, S.PROVISIONING),
    "suspend": ({S.ACTIVE}, S.INACTIVE),
    "resume": ({S.INACTIVE}, S.ACTIVE),
    "deprovision": ({S.ACTIVE, S.INACTIVE, S.PROVISIONFAILED}, S.DEPROVISIONING),
}


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize("move", MOVES)
def test_a_move_exists_from_these_states_alone(staff, move, status):
    sources, target = MOVES[move]
    tenant = make_tenant(status=status)
    answer = staff.post(f"/tenants/{tenant.id}/{move}", SUBSCRIPTION if move == "provision" else None)
    tenant.refresh_from_db()
    if status in sources:
        assert answer.status_code == 204, answer.content
        assert tenant.status == target
    else:
        error = assert_error(answer, 409, code="illegal_move")
        assert status.label in error["message"]
        assert target.label in error["message"]
        assert tenant.status == status
        assert not Event.objects.exists()


@pytest.mark.parametrize("move", ["provision", "suspend", "resume", "deprovision"])
def test_a_deleted_or_unknown_tenant_is_not_found(staff, move):
    tenant = make_tenant()
    Tenant.objects.filter(id=tenant.id).soft_delete(actor=None)
    body = SUBSCRIPTION if move == "provision" else None
    assert_error(staff.post(f"/tenants/{tenant.id}/{move}", body), 404)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (None, 400),
        ({}, 400),
        ({"plan": {"tier": "BASIC"}}, 400),
        ({"id": "", "plan": {"tier": "BASIC"}}, 400),
        ({"id": "s"}, 400),
        ({"id": "s", "plan": None}, 400),
        ({"id": "s", "plan": {}}, 400),
        ({"id": "s", "plan": {"tier": None}}, 400),
        ({"id": "s", "plan": []}, 422),
        ({"id": "s", "plan": {"tier": "GOLD"}}, 422),
        ({"id": "s", "plan": {"tier": 7}}, 422),
        ({"id": 7, "plan": {"tier": "BASIC"}}, 422),
        ({"id": "s", "plan": {"tier": "BASIC"}, "status": 9}, 422),
        ({"id": "s", "plan": {"tier": "BASIC"}, "startDate": "soon"}, 422),
        ({"id": "s", "plan": {"tier": "BASIC"}, "unknown": 1}, 422),
        ([], 422),
    ],
)
def test_a_bad_provision_request_changes_nothing(staff, body, status):
    tenant = make_tenant()
    assert_error(staff.post(f"/tenants/{tenant.id}/provision", body), status)
    tenant.refresh_from_db()
    assert tenant.status == S.PENDINGPROVISION
    assert not ProvisioningRun.objects.exists()
    assert not Event.objects.exists()


def test_a_whole_subscription_of_the_reference_is_taken_in_any_letter_case(staff):
    tenant = make_tenant()
    body = {
        "id": "s-1", "subscriberId": "u-1", "startDate": "2026-01-01T00:00:00Z", "endDate": "2027-01-01T00:00:00Z",
        "status": "active", "planId": "p-1", "invoiceId": None, "plan": {"tier": "premium", "sizeConfig": {"cpu": 2}},
        "createdOn": "2026-01-01T00:00:00Z", "modifiedOn": None, "createdBy": "u-1", "deleted": False,
    }  # fmt: skip
    assert staff.post(f"/tenants/{tenant.id}/provision", body).status_code == 204
    run = ProvisioningRun.objects.get()
    assert (run.tier, run.isolation) == ("PREMIUM", "silo")
    assert run.subscription["plan"] == {"tier": "PREMIUM", "sizeConfig": {"cpu": 2}}
    assert run.subscription["status"] == 1
