"""The set-up of a tenant's identity provider, whichever that is: who may ask for it, what is checked, what is kept."""

import json
import threading
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from config.turns import Turns
from identity import providers
from identity.providers.base import IdentityProvider, Misconfigured, Step, Unreachable
from provisioning.connectors.local import provision
from provisioning.models import IdentityClaim, IdentitySetup, IdentityStep, ProvisioningRun
from tenants.models import Tenant, TenantConfig, TenantStatus
from tests.conftest import Caller, assert_error, at_once, call_back, call_users, signed, users_body, users_signed
from tests.make import make_config, make_contact, make_lead, make_run, make_tenant
from tests.test_offboarding import bundle
from tests.world import manage


@pytest.fixture(autouse=True)
def fresh_providers():
    providers._make.cache_clear()
    yield
    providers._make.cache_clear()


def a_run(**values) -> ProvisioningRun:
    tenant = make_tenant(**values)
    make_contact(tenant, is_primary=True)
    return make_run(tenant)


class Scripted(IdentityProvider):
    """A provider of one's own: what its one step does is `script`."""

    script = staticmethod(lambda: "user-1")

    def connect(self):
        return None

    def check(self, client):
        """There is nothing to check."""

    def steps(self, client, tenant, memory):
        user = yield Step("user", f"user {tenant.admin.email}", look=lambda: None, do=self.script)
        return lambda: user


@pytest.fixture
def scripted(settings, monkeypatch):
    """Make the step of the provider `mine` do something: `scripted(function)`."""
    settings.IDENTITY_PROVIDERS = {"mine": "tests.test_identity.Scripted"}
    return lambda script: monkeypatch.setattr(Scripted, "script", staticmethod(script))


@pytest.mark.django_db
class TestManageUsers:
    def test_answers_the_auth_id_and_makes_the_provider_the_tenants_own(self):
        run = a_run()
        answer = call_users(run, provider="memory")
        assert answer.status_code == 200, answer.content
        setup = IdentitySetup.objects.get()
        assert answer.json() == {"authId": setup.auth_id}
        assert (setup.provider, setup.tier, setup.tenant_id) == ("memory", "PREMIUM", run.tenant_id)
        assert run.tenant.configs.get().config_value == {"name": "memory"}

    def test_serves_a_provider_named_by_a_setting(self, scripted):
        assert call_users(a_run(), provider="mine").json() == {"authId": "user-1"}

    def test_keeps_nobody_waiting_while_the_provider_is_slow(self, scripted):
        turns, seen = Turns(1), []

        def another_request():
            with turns:
                seen.append("answered")

        def slow():
            other = threading.Thread(target=another_request, daemon=True)
            other.start()
            other.join(5)
            return "user-1"

        scripted(slow)
        run = a_run()
        with turns:
            assert call_users(run, provider="mine").status_code == 200
            assert seen == ["answered"]

    def test_follows_the_tenants_own_setting_and_refuses_another(self):
        run = a_run()
        make_config(run.tenant, config_key="identityProvider", config_value={"name": "memory"})
        error = assert_error(call_users(run, provider="auth0"), 400, code="disagrees")
        assert "memory" in error["message"]
        assert call_users(run, provider="memory").status_code == 200

    @pytest.mark.parametrize("value", [{}, {"name": 7}, {"name": ""}, ["memory"], "memory"], ids=str)
    def test_refuses_a_tenants_setting_that_makes_no_sense(self, value):
        run = a_run()
        make_config(run.tenant, config_key="identityProvider", config_value=value)
        assert_error(call_users(run, provider="memory"), 400, code="bad_config")

    def test_refuses_an_unknown_provider_and_one_without_settings_by_name(self):
        run = a_run()
        assert "memory" in assert_error(call_users(run, provider="okta"), 400)["message"]
        assert "KEYCLOAK_HOST" in assert_error(call_users(run, provider="keycloak"), 400)["message"]
        assert "AUTH0_DOMAIN" in assert_error(call_users(run, provider="auth0"), 400)["message"]
        assert "DOMAIN_NAME" in assert_error(call_users(run, provider="cognito"), 400)["message"]
        assert not TenantConfig.objects.exists()

    def test_refuses_the_one_that_forgets_in_production(self, settings):
        run = a_run()
        settings.PRODUCTION = True
        assert_error(call_users(run, provider="memory"), 400, code="provider_misconfigured")

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            ({"key": "another"}, "tenant.key"),
            ({"name": "Another Ltd"}, "tenant.name"),
            ({"contacts": [{"firstName": "A", "lastName": "B", "email": "mallory@x.example"}]}, "tenant.contacts[0]"),
            (
                {"contacts": [{"firstName": "Eve", "lastName": "Lovelace", "email": "ada@acme.example"}]},
                "tenant.contacts[0].firstName",
            ),
            (
                {"contacts": [{"firstName": "Bob", "lastName": "B", "email": "bob@x.example", "isPrimary": True}]},
                "tenant.contacts[0].isPrimary",
            ),
        ],
    )
    def test_refuses_a_body_that_disagrees_with_what_is_stored(self, change, place):
        run = a_run()
        make_contact(run.tenant, first_name="Bob", last_name="B", email="bob@x.example")
        error = assert_error(call_users(run, **change), 400, code="disagrees")
        assert place in error["message"]
        assert not IdentitySetup.objects.exists()

    def test_tells_contacts_of_one_mail_address_apart_by_their_names(self):
        run = a_run()
        make_contact(run.tenant, first_name="Bob", email="Ada@acme.example")
        two = json.loads(users_body(run))["tenant"]["contacts"]
        for wrong in ({"firstName": "Eve"}, {"isPrimary": True}):
            error = assert_error(call_users(run, contacts=[two[0], {**two[1], **wrong}]), 400, code="disagrees")
            assert f"tenant.contacts[1].{next(iter(wrong))} " in error["message"]
        assert call_users(run, contacts=two).status_code == 200

    @pytest.mark.parametrize("kept", ["ada@xn--mller-kva.example", "ada@müller.example"])
    @pytest.mark.parametrize("said", ["Ada@xn--mller-kva.example", "ada@MÜLLER.example"])
    def test_knows_a_contact_by_either_form_of_its_domain(self, kept, said):
        run = a_run()
        run.tenant.contacts.update(email=kept)
        (contact,) = json.loads(users_body(run))["tenant"]["contacts"]
        assert call_users(run, contacts=[{**contact, "email": said}]).status_code == 200

    def test_refuses_another_tier_than_the_runs(self):
        run = a_run()
        body = json.loads(users_body(run))
        body["plan"]["tier"] = "basic"
        assert "plan.tier" in assert_error(call_users(run, json.dumps(body).encode()), 400)["message"]
        body["plan"]["tier"] = "premium"
        assert call_users(run, json.dumps(body).encode()).status_code == 200

    def test_does_not_let_one_tenants_secret_reach_another_tenant(self):
        run, other = a_run(), a_run()
        body = users_body(other)
        assert_error(Caller().post("/manage/users", body, **users_signed(run, body)), 401)
        assert not IdentitySetup.objects.exists()

    def test_is_open_while_the_provisioning_is_and_to_its_own_signature_only(self):
        run = a_run()
        body = users_body(run)
        assert_error(Caller().post("/manage/users", body, **signed(run, body)), 401)
        call_back(run)
        assert_error(call_users(run), 401)
        down = make_run(run.tenant, deprovision=True)
        assert_error(call_users(down, body), 401)
        assert not IdentitySetup.objects.exists()

    @pytest.mark.parametrize("body", [b"{}", b"[]", b'{"tenant": 7}', b"\xff", b'{"tenant": {"id": "x"}}'])
    def test_that_names_no_tenant_is_refused(self, body):
        assert_error(call_users(a_run(), body), 401)

    @pytest.mark.parametrize(
        "change", [{"contacts": "all"}, {"contacts": [7]}, {"name": 7}, {"role": "admin"}, {"identityProvider": None}]
    )
    def test_that_fails_its_schema_is_unprocessable(self, change):
        assert_error(call_users(a_run(), **change), 422)

    def test_needs_a_contact(self):
        run = make_run()
        assert_error(call_users(run), 400, code="no_contact")

    def test_of_a_second_run_of_another_tier_is_a_set_up_of_its_own(self):
        run = a_run()
        first = call_users(run).json()
        call_back(run, json.dumps({"initiatorId": str(run.tenant_id), "type": 0, "data": {"status": 0}}).encode())
        again = make_run(run.tenant, tier="BASIC")
        second = call_users(again).json()
        assert first != second
        assert IdentitySetup.objects.count() == 2


@pytest.mark.django_db
class TestAProvider:
    def test_that_fails_leaves_its_step_in_the_timeline_and_the_next_call_mends_it(self, scripted, staff):
        def away():
            raise Unreachable("mine is on holiday.", retry_after=7)

        run = a_run()
        scripted(away)
        answer = call_users(run, provider="mine")
        assert_error(answer, 503, code="provider_unreachable")
        assert answer.headers["Retry-After"] == "7"
        (entry,) = self.steps(staff, run, "user")
        assert (entry["outcome"], entry["reason"], entry["attempts"]) == ("failed", "mine is on holiday.", 1)
        scripted(lambda: "user-2")
        assert call_users(run, provider="mine").json() == {"authId": "user-2"}
        (entry,) = self.steps(staff, run, "user")
        assert (entry["outcome"], entry["reason"], entry["attempts"]) == ("done", None, 2)

    def steps(self, staff, run, name: str) -> list[dict]:
        entries = staff.get(f"/tenants/{run.tenant_id}/timeline").json()
        return [entry for entry in entries if entry["kind"] == "identity" and entry["name"] == f"mine: {name}"]

    def test_that_has_a_defect_is_a_500_and_locks_nobody_out(self, scripted):
        run = a_run()
        scripted(lambda: 1 / 0)
        assert_error(call_users(run, provider="mine"), 500)
        scripted(lambda: "user-1")
        assert call_users(run, provider="mine").status_code == 200

    def test_that_is_asked_for_an_unknown_option_refuses_it(self, scripted):
        run = a_run()
        make_config(run.tenant, config_key="mine", config_value={"colour": "teal"})
        assert "colour" in assert_error(call_users(run, provider="mine"), 400)["message"]

    def test_with_too_little_time_stops_between_two_steps(self, settings):
        settings.IDENTITY_SETUP_TIMEOUT = -1
        assert "goes on from here" in assert_error(call_users(a_run()), 503)["message"]

    def test_refuses_arguments_that_it_does_not_know(self):
        with pytest.raises(TypeError):
            Scripted(colour="teal")


@pytest.mark.django_db(transaction=True)
class TestTheClaim:
    def test_holds_no_transaction_while_the_provider_is_slow_and_sends_others_away(self, scripted):
        run = a_run()
        began, go_on, seen = threading.Event(), threading.Event(), []

        def slow():
            seen.append(connection.in_atomic_block)
            began.set()
            assert go_on.wait(20)
            return "user-1"

        scripted(slow)

        def action(number: int):
            if number:
                assert began.wait(20)
                answer = call_users(run, provider="mine")
                Tenant.objects.filter(id=run.tenant_id).update(name=Tenant.objects.get().name)  # nobody holds its row
                go_on.set()
                return answer
            return call_users(run, provider="mine")

        first, second = at_once(2, action)
        assert seen == [False]
        assert (first.status_code, second.status_code) == (200, 503)
        assert int(second.headers["Retry-After"]) > 0
        assert not IdentityClaim.objects.exists()

    def test_of_a_process_that_died_ends_by_itself(self):
        run = a_run()
        until = timezone.now() + timedelta(seconds=60)
        assert IdentityClaim.take(f"tenant {run.tenant_id}", until=until)
        assert_error(call_users(run), 503)
        IdentityClaim.objects.update(expires_at=timezone.now())
        assert call_users(run).status_code == 200

    def test_is_one_callers_however_many_reach_for_it_at_once(self):
        until = timezone.now() + timedelta(seconds=60)
        taken = at_once(12, lambda _: IdentityClaim.take("x", until=until))
        assert len([holder for holder in taken if holder]) == 1

    def test_of_callers_who_want_different_providers_one_decides(self, scripted):
        run = a_run()
        answers = at_once(8, lambda n: call_users(run, provider=("mine", "memory")[n % 2]))
        assert {answer.status_code for answer in answers} <= {200, 400, 503}
        chosen = run.tenant.configs.get().config_value["name"]
        assert {setup.provider for setup in IdentitySetup.objects.all()} == {chosen}


@pytest.mark.django_db
class TestByHand:
    def test_the_command_sets_up_an_active_tenant_and_says_why_it_cannot(self, capsys, settings):
        run = a_run()
        call_back(run)
        with pytest.raises(CommandError, match="IDENTITY_PROVIDER"):
            call_command("setup_identity", str(run.tenant_id))
        call_command("setup_identity", str(run.tenant_id), "--provider", "memory")
        assert capsys.readouterr().out.strip() == IdentitySetup.objects.get().auth_id
        with pytest.raises(CommandError, match="PENDINGPROVISION"):
            call_command("setup_identity", str(make_tenant().id))
        with pytest.raises(CommandError):
            call_command("setup_identity", "7c1f3b52-9a41-4f3e-8a55-0d8f1f6f2a10")

    def test_the_check_names_what_is_missing(self, settings):
        with pytest.raises(CommandError, match="Name a provider"):
            call_command("check_identity")
        with pytest.raises(CommandError, match="KEYCLOAK_HOST"):
            call_command("check_identity", "keycloak")
        settings.IDENTITY_PROVIDER = "memory"
        call_command("check_identity")

    def test_the_admin_sets_up_a_tenant_and_shows_each_step(self, admin_client, settings):
        settings.IDENTITY_PROVIDER = "memory"
        run = a_run()
        page = admin_client.post(f"/admin/tenants/tenant/{run.tenant_id}/set-up-identity/", {}, follow=True)
        setup = IdentitySetup.objects.get()
        assert setup.auth_id in page.content.decode()
        shown = admin_client.get(f"/admin/provisioning/identitysetup/{setup.id}/change/").content.decode()
        assert f"directory {run.tenant.key}" in shown
        assert admin_client.get("/admin/provisioning/identitysetup/").status_code == 200


@pytest.mark.django_db
class TestALead:
    """A lead may write its tenant's configurations, but not those that the service goes by."""

    @pytest.mark.parametrize("key", ["identityProvider", "auth0", "keycloak", "cognito", "memory"])
    def test_reads_and_does_not_write_them(self, caller_for, key):
        lead = make_lead()
        tenant = make_tenant(lead=lead)
        caller = caller_for(lead)
        body = {"configKey": key, "configValue": {"name": "memory"}, "tenantId": str(tenant.id)}
        assert_error(caller.post("/tenant-configs", body), 403)
        config = make_config(tenant, config_key=key, config_value={"name": "memory"})
        path = f"/tenant-configs/{config.id}"
        assert caller.get(path).status_code == 200
        for answer in (
            caller.patch(path, {"configValue": {"name": "auth0"}}),
            caller.patch(path, {"configKey": "harmless"}),
            caller.put(path, {**body, "configKey": "harmless"}),
            caller.delete(path),
        ):
            assert_error(answer, 404)
        changed = caller.patch('/tenant-configs?where={"id":{"exists":true}}', {"configValue": {}})
        assert changed.json() == {"count": 0}
        own = make_config(tenant, config_key="theme")
        assert_error(caller.patch(f"/tenant-configs/{own.id}", {"configKey": key}), 403)
        assert_error(caller.patch('/tenant-configs?where={"configKey":"theme"}', {"configKey": key}), 403)
        assert caller.patch(f"/tenant-configs/{own.id}", {"configValue": {"colour": "red"}}).status_code == 204
        config.refresh_from_db()
        assert (config.config_key, config.config_value, config.deleted) == (key, {"name": "memory"}, False)

    def test_does_not_hinder_staff(self, staff):
        body = {"configKey": "auth0", "configValue": {}, "tenantId": str(make_tenant().id)}
        assert staff.post("/tenant-configs", body).status_code == 200


@pytest.mark.django_db
def test_the_export_tells_of_the_set_up_without_credentials_and_the_purge_erases_it(staff, scripted):
    run = a_run()
    call_users(run, provider="mine")
    IdentitySetup.objects.update(memory=json.dumps({"client_secret": "the-clients-secret"}))
    exported = staff.get(f"/tenants/{run.tenant_id}/export").content
    (setup,) = bundle(exported)["identity.json"]
    assert (setup["provider"], setup["authId"]) == ("mine", "user-1")
    assert "the-clients-secret" not in str(bundle(exported))
    call_back(run)
    call_back(make_run(run.tenant, deprovision=True))
    call_command("purge_deleted", "--older-than", "0", verbosity=0)
    assert not IdentitySetup.objects.exists()
    assert not IdentityStep.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_demo_provisioner_sets_up_the_identity_of_what_it_builds(settings, live_server, relayed):
    settings.PUBLIC_URL = live_server.url
    run = a_run()
    (event,) = [message for message in relayed() if message["type"] == "TENANT_PROVISIONING"]
    provision(event, identity_provider="memory")
    assert Tenant.objects.get().status == TenantStatus.ACTIVE
    assert IdentitySetup.objects.get().tenant_id == run.tenant_id


def test_servers_may_be_named_by_host_or_by_whole_address(tmp_path):
    code = "from django.conf import settings as s; print(s.KEYCLOAK_HOST, s.AUTH0_DOMAIN, s.KEYCLOAK_ADMIN_PASSWORD)"
    (tmp_path / "password").write_text("from-a-file\n")
    found = manage(
        "shell", "-v0", "-c", code, VAR_DIR=str(tmp_path), KEYCLOAK_HOST="id.saas.example",
        AUTH0_DOMAIN="http://127.0.0.1:9000/", KEYCLOAK_ADMIN_PASSWORD_FILE=str(tmp_path / "password"),
    )  # fmt: skip
    assert found.stdout.split() == ["https://id.saas.example", "http://127.0.0.1:9000", "from-a-file"]


def test_a_setting_that_is_missing_is_named():
    with pytest.raises(Misconfigured, match="KEYCLOAK_HOST"):
        providers.get("keycloak")
