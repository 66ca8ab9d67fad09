"""The keys of secrets at rest: one that is removed as SECURITY.md says takes nothing with it."""

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import connection
from django.urls import reverse

from provisioning.models import IdentitySetup, ProvisioningRun
from tenants.models import Tenant
from tests.conftest import assert_error, call_back, call_users, report, signed
from tests.make import make_contact, make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def replace_key(settings):
    def replace():
        settings.ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    return replace


@pytest.fixture
def over(replace_key) -> ProvisioningRun:
    """A run that has succeeded, made with a key that was removed since."""
    run = make_run()
    make_contact(run.tenant, is_primary=True)
    assert call_users(run).status_code == 200
    assert call_back(run).status_code == 204
    replace_key()
    return run


class TestAKeyThatIsRemovedWhenNoRunIsOpen:
    def test_lets_a_tenant_be_deprovisioned(self, staff, over):
        assert staff.post(f"/tenants/{over.tenant_id}/deprovision").status_code == 204
        assert call_back(over.tenant.runs.open().get()).status_code == 204

    def test_lets_the_callback_of_a_retry_in(self, replace_key):
        run = make_run()
        call_back(run, report(run, status=0))
        replace_key()
        again = make_run(run.tenant)
        assert call_back(again).status_code == 204

    def test_lets_no_callback_of_the_run_in_any_more(self, replace_key):
        run = make_run()
        body = report(run)
        headers = signed(run, body)
        assert call_back(run, body, **headers).status_code == 204
        replace_key()
        assert_error(call_back(run, body, **headers), 401, code="bad_signature")

    def test_lets_a_tenant_be_exported_and_purged(self, staff, over):
        with connection.cursor() as cursor:
            cursor.execute("SELECT memory FROM identity_setups")
            assert cursor.fetchone()[0].startswith("gAAAA")
        assert staff.get(f"/tenants/{over.tenant_id}/export").status_code == 200
        staff.delete(f"/tenants/{over.tenant_id}")
        call_command("purge_deleted", older_than=0, verbosity=0)
        assert Tenant.everything.get().key == "(erased)"

    def test_lets_an_identity_be_set_up(self, replace_key):
        run = make_run()
        make_contact(run.tenant, is_primary=True)
        call_back(run)
        replace_key()
        call_command("setup_identity", str(run.tenant_id), provider="memory", verbosity=0)
        assert IdentitySetup.objects.get().auth_id is not None

    @pytest.mark.parametrize("model", ["provisioningrun", "identitysetup", "receivedcall"])
    def test_leaves_the_pages_of_the_back_office(self, office, over, model):
        app = "webhooks" if model == "receivedcall" else "provisioning"
        listed = office.get(reverse(f"admin:{app}_{model}_changelist"))
        assert listed.status_code == 200
        for row in listed.context["cl"].result_list:
            assert office.get(reverse(f"admin:{app}_{model}_change", args=[row.pk])).status_code == 200
        assert listed.context["cl"].result_list


def test_a_key_that_is_removed_too_early_costs_no_callback_once_it_is_back(replace_key, settings):
    run, keys = make_run(), settings.ENCRYPTION_KEYS
    body = report(run)
    headers = signed(run, body)
    replace_key()
    assert call_back(run, body, **headers).status_code == 500  # the sender repeats it
    settings.ENCRYPTION_KEYS = keys
    assert call_back(run, body, **headers).status_code == 204
