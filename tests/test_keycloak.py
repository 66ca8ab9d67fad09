"""What is special about Keycloak: realms, clients, organizations, and parameters of the Systems Manager."""

import pytest

from provisioning.models import IdentitySetup, IdentityStep
from tests import identity_server
from tests.conftest import assert_error, call_users
from tests.identity_server import Answer, IdentityServer
from tests.identity_worlds import EMAIL, WORLDS, done, server, world

keycloak_only = pytest.mark.parametrize("world", WORLDS[:3], indirect=True)


@pytest.mark.django_db
@keycloak_only
class TestKeycloak:
    def test_is_told_what_a_confidential_client_and_a_first_user_need(self, world):
        if world.fake is None:
            pytest.skip("looks into the fake")
        run = world.run(name="Acme Ltd")
        auth_id = done(world, run)
        realm = world.fake.realms[world.home(run.tenant)]
        assert realm["smtpServer"] | {"password": ""} == {
            "host": "smtp.example", "port": "2525", "from": "hello@saas.example", "fromDisplayName": "Tenantry",
            "starttls": "true", "auth": "true", "user": "mailer", "password": "",
        }  # fmt: skip
        (client,) = world.fake.clients_of(realm["realm"])
        assert (client["publicClient"], client["directAccessGrantsEnabled"]) == (False, False)
        assert client["redirectUris"][0] == f"https://{run.tenant.key}.saas.example/*"
        user = realm["users"][auth_id]
        assert user["requiredActions"] == ["UPDATE_PASSWORD"]
        assert user["credentials"][0]["temporary"] is True
        assert (user["firstName"], user["email"]) == ("Ada", "ada@acme.example")
        assert world.fake.mails == [(realm["realm"], "ada@acme.example")]

    def test_gets_no_localhost_in_production_and_direct_grants_by_a_setting_only(self, world, settings):
        if world.fake is None:
            pytest.skip("looks into the fake")
        settings.PRODUCTION, settings.KEYCLOAK_DIRECT_GRANTS = True, True
        run = world.run()
        done(world, run)
        (client,) = world.fake.clients_of(world.home(run.tenant))
        assert client["redirectUris"] == [f"https://{run.tenant.key}.saas.example/*"]
        assert client["directAccessGrantsEnabled"] is True

    def test_signs_in_once_for_many_set_ups_and_again_when_the_token_is_no_longer_taken(self, world):
        if world.fake is None:
            pytest.skip("looks into the fake")
        first = world.run()
        done(world, first)
        before = world.fake.sign_ins
        if world.kind != "keycloak":  # a new realm needs a new token
            done(world, world.run(domains=["b.example"]))
            assert world.fake.sign_ins == before
        world.fake.tokens.clear()
        done(world, world.run(domains=["c.example"]))
        assert world.fake.sign_ins > before

    def test_writes_no_second_time_to_who_has_a_password(self, world):
        if world.fake is None:
            pytest.skip("looks into the fake")
        run = world.run()
        done(world, run)
        for user in world.fake.realms[world.home(run.tenant)]["users"].values():
            user["requiredActions"] = []
        IdentitySetup.objects.all().delete()
        done(world, run)
        assert len(world.fake.mails) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["keycloak"], indirect=True)
def test_a_realm_that_is_not_the_tenants_is_not_touched(world):
    """A lead chooses its tenant's key."""
    run = world.run()
    world.admin("master").create_realm({"realm": run.tenant.key, "enabled": True})
    assert_error(call_users(run, provider="keycloak"), 409, code="provider_name_taken")
    assert not world.admin(run.tenant.key).get_users({"email": EMAIL.lower(), "exact": "true"})


@pytest.mark.django_db
@keycloak_only
@pytest.mark.parametrize("key", ["account", "broker", "master"])
def test_a_tenant_whose_key_is_a_name_of_keycloaks_own_is_set_up_beside_it(world, key):
    run = world.run(key=key)
    done(world, run)
    realm = world.home(run.tenant)
    assert realm != "master"
    assert len([each for each in world.admin(realm).get_clients() if each["clientId"] == f"tenant-{key}"]) == 1
    assert not world.admin("master").get_users({"email": EMAIL.lower(), "exact": "true"})


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["keycloak"], indirect=True)
def test_a_secret_is_hidden_where_a_long_refusal_is_cut_too(world, monkeypatch):
    if world.fake is None:
        pytest.skip("looks into the fake")
    sent = []

    def refuse(fake, realm):
        sent.append(fake.body["secret"])
        before, after = "No. " * (30 + 4 * len(sent)), "No. " * 100
        raise Answer(400, {"errorMessage": f"{before}Its secret {sent[-1]} is no good. {after}"})

    routes = [(v, p, refuse if f is IdentityServer.create_client else f) for v, p, f in identity_server.ROUTES]
    monkeypatch.setattr(identity_server, "ROUTES", routes)
    run = world.run()
    for _ in range(12):
        error = assert_error(call_users(run, provider="keycloak"), 502)
        assert sent[-1][:4] not in error["message"]
        assert len(error["message"]) <= 300


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["keycloak", "keycloak pooled"], indirect=True)
class TestParametersOfTheSystemsManager:
    @pytest.fixture(autouse=True)
    def namespace(self, settings, aws):
        settings.NAMESPACE, settings.ENVIRONMENT = "saas", "test"
        self.ssm = aws("ssm")

    def path(self, world, run) -> str:
        return f"/saas/test/{world.tier.lower()}/{run.tenant.key}/keycloak-client-"

    def test_name_the_realm_and_the_client_and_are_copied_nowhere(self, world):
        if world.fake is None:
            pytest.skip("looks into the fake")
        run = world.run()
        values = {"id": "client-acme", "secret": "the-secret-of-ssm", "realm": "realm-of-acme"}
        for name, value in values.items():
            self.ssm.put_parameter(Name=f"{self.path(world, run)}{name}", Value=value, Type="SecureString")
        done(world, run)
        (client,) = world.fake.clients_of("realm-of-acme")
        assert (client["clientId"], client["secret"]) == ("client-acme", "the-secret-of-ssm")
        assert IdentitySetup.objects.get().memory == "{}"

    def test_that_do_not_exist_are_named(self, world):
        run = world.run()
        error = assert_error(call_users(run, provider="keycloak"), 400)
        assert f"{self.path(world, run)}secret" in error["message"]
        assert IdentityStep.objects.get(outcome="failed").name == "parameters"
