"""Keycloak, Auth0 and Cognito through their real SDKs, behind a proxy that can fail at any request.

Keycloak and Auth0 are the fake of tests/identity_server.py, Cognito is moto. The same tests run against live servers
when KEYCLOAK_TEST_URL or AUTH0_TEST_DOMAIN name one: docs/identity-providers.md has the commands.
"""

import atexit
import itertools
import logging
import os
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path
from urllib.parse import unquote_plus

import boto3
import certifi
import httpx
import pytest
import requests
from auth0.management import Auth0
from django.core import mail
from django.core.management import call_command
from django.utils.module_loading import import_string
from keycloak import KeycloakAdmin

from identity import providers
from provisioning.models import Delivery, Event, IdentitySetup, IdentityStep
from tenants.models import Tenant
from tests import identity_server as fake_names
from tests.conftest import assert_error, at_once, call_users, deliver_all
from tests.flaky import flaky
from tests.identity_server import identity_server
from tests.make import make_config, make_contact, make_run, make_tenant

LIVE_KEYCLOAK, LIVE_AUTH0 = os.environ.get("KEYCLOAK_TEST_URL"), os.environ.get("AUTH0_TEST_DOMAIN")
SHARED = "tenantry-test-{tier}"
EMAIL = "Ada@Acme.example"
WORLDS = ["keycloak", "keycloak pooled", "keycloak organizations", "auth0", "auth0 pooled", "cognito", "cognito pooled"]
live_or_fake = pytest.mark.parametrize("world", WORLDS, indirect=True)
keycloak_only = pytest.mark.parametrize("world", WORLDS[:3], indirect=True)
auth0_only = pytest.mark.parametrize("world", WORLDS[3:5], indirect=True)


@pytest.fixture(scope="module")
def server():
    with identity_server() as fake:
        yield fake


class World:
    """A provider as the service is set up for it, and a way to count what it has, past the service."""

    provider: str

    def __init__(self, kind: str, upstream: str, settings, fake=None):
        self.kind, self.upstream, self.settings, self.fake = kind, upstream, settings, fake
        self.tier = "BASIC" if "pooled" in kind else "PREMIUM"
        self.tenants: list[Tenant] = []

    def run(self, *, email: str = EMAIL, **values):
        """An open run of a new tenant with a primary contact."""
        tenant = make_tenant(**values)
        make_contact(tenant, email=email, is_primary=True)
        self.tenants.append(tenant)
        return make_run(tenant, tier=self.tier)

    def reset(self) -> None:
        """Empty the provider, where it is not a live one."""
        if self.fake is not None:
            self.fake.reset()

    def close(self) -> None:
        """Give back what the counting took."""

    def home(self, tenant: Tenant) -> str:
        return tenant.key if self.tier == "PREMIUM" else SHARED.format(tier="basic")


class KeycloakWorld(World):
    provider = "keycloak"

    def configure(self, url: str) -> None:
        s = self.settings
        s.KEYCLOAK_HOST = url
        s.KEYCLOAK_ADMIN_USERNAME = os.environ.get("KEYCLOAK_TEST_USERNAME", fake_names.USERNAME)
        s.KEYCLOAK_ADMIN_PASSWORD = os.environ.get("KEYCLOAK_TEST_PASSWORD", fake_names.PASSWORD)
        s.AWS_SES_SMTP_HOST = os.environ.get("KEYCLOAK_TEST_SMTP_HOST", "smtp.example:2525")
        s.AWS_SES_SMTP_USERNAME, s.AWS_SES_SMTP_PASSWORD = "mailer", "the-mail-servers-pa55word"
        s.SMTP_FROM_EMAIL = "hello@saas.example"
        s.KEYCLOAK_ORGANIZATIONS_REALM = "tenantry-test-orgs" if "organizations" in self.kind else ""

    def home(self, tenant):
        return self.settings.KEYCLOAK_ORGANIZATIONS_REALM or super().home(tenant)

    def admin(self, realm: str) -> KeycloakAdmin:
        if not hasattr(self, "_admin"):
            self._admin = KeycloakAdmin(
                server_url=f"{self.upstream}/", username=self.settings.KEYCLOAK_ADMIN_USERNAME,
                password=self.settings.KEYCLOAK_ADMIN_PASSWORD, user_realm_name="master",
            )  # fmt: skip
        self._admin.change_current_realm(realm)
        self._admin.connection.get_token()
        return self._admin

    def inventory(self, tenant: Tenant) -> dict[str, int]:
        realm = self.home(tenant)
        admin = self.admin(realm)
        found = {
            "realms": [r for r in admin.get_realms() if r["realm"] == realm],
            "clients": [c for c in admin.get_clients() if c["clientId"] == tenant.key],
            "users": admin.get_users({"email": mail_of(tenant), "exact": "true"}),
        }
        if "organizations" in self.kind:
            found["organizations"] = admin.get_organizations({"search": tenant.key, "exact": "true"})
            found["members"] = admin.get_user_organizations(found["users"][0]["id"])
        return {name: len(rows) for name, rows in found.items()}

    def clean_up(self) -> None:
        for realm in {self.home(tenant) for tenant in self.tenants}:
            if realm in [each["realm"] for each in self.admin("master").get_realms()]:
                self.admin(realm).delete_realm(realm)


class Auth0World(World):
    provider = "auth0"

    def configure(self, url: str) -> None:
        s = self.settings
        s.AUTH0_DOMAIN = url
        self.http = getattr(self, "http", None) or httpx.Client()
        s.AUTH0_CLIENT_ID = os.environ.get("AUTH0_TEST_CLIENT_ID", fake_names.CLIENT_ID)
        s.AUTH0_CLIENT_SECRET = os.environ.get("AUTH0_TEST_CLIENT_SECRET", fake_names.CLIENT_SECRET)
        s.AUTH0_AUDIENCE = f"{self.upstream}/api/v2/"

    def api(self) -> Auth0:
        token = providers.get("auth0").token.get()["access_token"]
        return Auth0(base_url=f"{self.upstream}/api/v2", token=token, max_retries=0, httpx_client=self.http)

    def inventory(self, tenant: Tenant) -> dict[str, int]:
        api = self.api()
        organization = api.organizations.get_by_name(self.home(tenant))
        users = api.users.list_users_by_email(email=mail_of(tenant))
        return {
            "organizations": 1,  # their names are unique
            "connections": len(list(api.organizations.enabled_connections.list(organization.id))),
            "users": len(users),
            "members": len([o for o in api.users.organizations.list(users[0].user_id) if o.id == organization.id]),
        }

    def close(self):
        self.http.close()

    def clean_up(self) -> None:
        api = self.api()
        for email in {mail_of(tenant) for tenant in self.tenants}:
            for user in api.users.list_users_by_email(email=email):
                api.users.delete(user.user_id)
        for name in {self.home(tenant) for tenant in self.tenants}:
            api.organizations.delete(api.organizations.get_by_name(name).id)


class CognitoWorld(World):
    provider = "cognito"

    def configure(self, url: str) -> None:
        self.monkeypatch.setenv("AWS_ENDPOINT_URL", url)

    def api(self):
        if not hasattr(self, "counter"):
            self.counter = boto3.client("cognito-idp", region_name="eu-west-1", endpoint_url=self.upstream)
        return self.counter

    def reset(self):
        requests.post(f"{self.upstream}/moto-api/reset", timeout=5)

    def inventory(self, tenant: Tenant) -> dict[str, int]:
        api = self.api()
        pools = [p for p in api.list_user_pools(MaxResults=60)["UserPools"] if p["Name"] == self.home(tenant)]
        pool = pools[0]["Id"]
        apps = api.list_user_pool_clients(UserPoolId=pool, MaxResults=60)["UserPoolClients"]
        users = api.list_users(UserPoolId=pool)["Users"]
        found = {
            "pools": pools,
            "apps": [app for app in apps if app["ClientName"].startswith(f"{tenant.key} ")],
            "users": [user for user in users if is_of(tenant, user)],
        }
        if "pooled" in self.kind:
            groups = api.list_groups(UserPoolId=pool)["Groups"]
            found["groups"] = [group for group in groups if group["GroupName"] == tenant.key]
            found["members"] = api.list_users_in_group(UserPoolId=pool, GroupName=tenant.key)["Users"]
        return {name: len(rows) for name, rows in found.items()}

    def clean_up(self) -> None:
        """The next test begins with an empty cloud."""

    def close(self):
        if hasattr(self, "counter"):
            self.counter.close()


def mail_of(tenant: Tenant) -> str:
    return tenant.primary_contact.email.lower()


def is_of(tenant: Tenant, user: dict) -> bool:
    """Whether a user of Cognito is the tenant's. moto makes a second, nameless one where AWS repeats an invitation."""
    attributes = {each["Name"]: each["Value"] for each in user["Attributes"]}
    return attributes["email"] == mail_of(tenant) and "given_name" in attributes


@pytest.fixture
def world(request, settings, server, monkeypatch):
    kind = request.param
    settings.IDENTITY_SHARED_NAME, settings.DOMAIN_NAME, settings.IDENTITY_TIMEOUT = SHARED, "saas.example", 10
    server.reset()
    if kind.startswith("cognito"):
        request.getfixturevalue("aws")
        made = CognitoWorld(kind, request.getfixturevalue("cloud"), settings)
        made.monkeypatch = monkeypatch
    else:
        live = LIVE_KEYCLOAK if kind.startswith("keycloak") else LIVE_AUTH0
        made = (KeycloakWorld if kind.startswith("keycloak") else Auth0World)(
            kind, (live or server.url).rstrip("/"), settings, None if live else server
        )
        if not live:  # all is plain HTTP: each client of httpx would parse the authorities of the whole web
            monkeypatch.setenv("SSL_CERT_FILE", str(one_authority()))
    with flaky(made.upstream) as proxy:
        made.proxy = proxy
        made.configure(proxy.url)
        forget_providers()
        if made.provider != "keycloak":
            monkeypatch.setattr(providers, "import_string", remembering)
        yield made
        if made.fake is None:
            proxy.well()
            made.clean_up()
    forget_providers()
    made.close()


@cache
def one_authority() -> Path:
    """A file with the first of the certificates that come with certifi."""
    path = Path(tempfile.mkdtemp(prefix="tenantry-authority-"), "ca.pem")
    atexit.register(shutil.rmtree, path.parent)
    path.write_text("".join(Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----\n")[:2]))
    return path


MADE: list = []


def remembering(path: str):
    """What the registry imports, so that its connections can be closed after the test."""

    def make():
        MADE.append(import_string(path)())
        return MADE[-1]

    return make


def forget_providers() -> None:
    """The next call makes its provider anew, from the settings as they are then."""
    for made in MADE:
        getattr(made, "http", made.api).close()
    MADE.clear()
    providers._make.cache_clear()


def done(world, run) -> str:
    """The authId that the call answers."""
    answer = call_users(run, provider=world.provider)
    assert answer.status_code == 200, answer.content
    return answer.json()["authId"]


@pytest.mark.django_db
@live_or_fake
def test_one_call_sets_up_one_of_each_and_the_second_does_not_touch_the_provider(world):
    run = world.run()
    auth_id = done(world, run)
    assert set(world.inventory(run.tenant).values()) == {1}
    assert IdentitySetup.objects.get().auth_id == auth_id
    world.proxy.well()
    assert done(world, run) == auth_id
    assert world.proxy.calls == []
    assert Event.objects.filter(type="TENANT_IDENTITY_READY").count() == 1


FAILURES = [
    *((kind, "after") for kind in WORLDS),
    ("auth0 pooled", "drop"),  # how a request failed is the base class's business, so one kind does for the rest
    ("keycloak", "before"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("world", "how"), FAILURES, indirect=["world"])
def test_a_failure_at_any_request_is_a_503_after_which_the_same_call_ends_with_one_of_each(world, how):
    for at in itertools.count(1):
        run = world.run()
        IdentitySetup.objects.all().delete()
        world.reset()
        forget_providers()
        world.proxy.fail(at, how)
        answer = call_users(run, provider=world.provider)
        if not world.proxy.failed:
            assert answer.status_code == 200
            break
        error = assert_error(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
        failed = IdentityStep.objects.get(outcome="failed")
        assert failed.reason == error["message"] == IdentitySetup.objects.get().last_error
        auth_id = done(world, run)
        assert done(world, run) == auth_id
        assert set((found := world.inventory(run.tenant)).values()) == {1}, (at, found)
        assert not IdentityStep.objects.filter(outcome="failed").exists()
        assert IdentitySetup.objects.get().last_error == ""
    assert at > 5


@pytest.mark.django_db(transaction=True)
@live_or_fake
def test_many_calls_for_one_tenant_at_once_set_up_one_of_each(world):
    run = world.run()
    answers = at_once(6, lambda _: call_users(run, provider=world.provider))
    assert {answer.status_code for answer in answers} <= {200, 503}
    auth_id = done(world, run)
    assert {a.json()["authId"] for a in answers if a.status_code == 200} <= {auth_id}
    assert set(world.inventory(run.tenant).values()) == {1}
    assert Event.objects.filter(type="TENANT_IDENTITY_READY").count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("world", ["keycloak pooled", "auth0 pooled", "cognito pooled"], indirect=True)
def test_tenants_of_one_tier_at_once_share_one_home(world):
    runs = [world.run(email=f"ada@acme{number}.example") for number in range(5)]
    answers = at_once(5, lambda n: call_users(runs[n], provider=world.provider))
    assert {answer.status_code for answer in answers} <= {200, 503}
    for run in runs:
        done(world, run)
        assert set(world.inventory(run.tenant).values()) == {1}


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["keycloak", "auth0", "cognito"], indirect=True)
class TestErrors:
    def test_a_provider_that_hangs_is_a_503(self, world, settings):
        settings.IDENTITY_TIMEOUT = 1
        run = world.run()
        for at in (1, 3):
            world.proxy.fail(at, "hang")
            assert_error(call_users(run, provider=world.provider), 503)
        world.proxy.well()
        done(world, run)

    def test_a_provider_that_is_away_is_a_503_and_the_timeline_says_where(self, world, staff):
        run = world.run()
        world.configure("http://127.0.0.1:1")
        assert_error(call_users(run, provider=world.provider), 503)
        entries = staff.get(f"/tenants/{run.tenant_id}/timeline").json()
        failed = next(entry for entry in entries if entry["kind"] == "identity" and entry["outcome"] == "failed")
        assert failed["name"].startswith(f"{world.provider}: ")
        assert "cannot be reached" in failed["reason"]

    def test_a_missing_setting_is_named(self, world, settings):
        name = {"keycloak": "KEYCLOAK_HOST", "auth0": "AUTH0_CLIENT_ID", "cognito": "DOMAIN_NAME"}[world.provider]
        setattr(settings, name, "")
        forget_providers()
        run = world.run()
        assert name in assert_error(call_users(run, provider=world.provider), 400)["message"]
        assert not run.tenant.configs.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["keycloak", "auth0"], indirect=True)  # moto takes any credentials
def test_refused_credentials_are_a_502_and_a_log_line_that_names_the_settings(world, settings, caplog):
    settings.KEYCLOAK_ADMIN_PASSWORD = settings.AUTH0_CLIENT_SECRET = "not-the-secret"
    run = world.run()
    assert_error(call_users(run, provider=world.provider), 502, code="refused")
    (record,) = [record for record in caplog.records if record.name == "tenantry.identity"]
    assert "KEYCLOAK_ADMIN_PASSWORD" in record.message or "AUTH0_CLIENT_SECRET" in record.message
    assert "not-the-secret" not in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["keycloak organizations", "auth0", "cognito"], indirect=True)
def test_no_secret_is_in_a_log_an_answer_the_timeline_the_admin_or_the_export(world, staff, admin_client, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "botocore", "httpx", "httpcore"):  # as config.settings sets them
        caplog.set_level(logging.WARNING, logger=name)
    run = world.run()
    secrets: set[str] = set()
    for at in range(1, 30):
        world.proxy.fail(at, "after")
        answer = call_users(run, provider=world.provider)
        secrets |= {value for body in world.proxy.bodies for value in found_secrets(body.decode())}
        shown = answer.content.decode()
        assert not [secret for secret in secrets if secret in shown]
        if answer.status_code == 200:
            break
    setup = IdentitySetup.objects.get()
    if world.provider == "keycloak":
        assert len(secrets) >= 4  # the admin's, the mail server's, the client's, and passwords
    secrets |= {value for name, value in setup.memory_values.items() if "secret" in name}
    pages = [
        staff.get(f"/tenants/{run.tenant_id}/timeline").content,
        staff.get(f"/tenants/{run.tenant_id}").content,
        staff.get("/tenant-configs").content,
        admin_client.get(f"/admin/provisioning/identitysetup/{setup.id}/change/").content,
        admin_client.get("/admin/provisioning/identitysetup/").content,
        caplog.text.encode(),
        str(
            list(Event.objects.values()) + list(Delivery.objects.values()) + list(IdentityStep.objects.values())
        ).encode(),
    ]
    with_raw = str(list(IdentitySetup.objects.extra(select={"raw": "memory::text"}).values("raw")))
    assert "gAAAA" in with_raw or setup.memory == "{}"
    for secret in secrets:
        for page in [*pages, with_raw.encode()]:
            assert secret.encode() not in page


def found_secrets(body: str) -> set[str]:
    """The passwords and client secrets in what we sent."""
    text = unquote_plus(body)
    return set(re.findall(r'"(?:secret|password|value|client_secret)": ?"([^"]+)"', text)) | set(
        re.findall(r"(?:^|&)password=([^&]+)", text)
    )


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
        (client,) = realm["clients"].values()
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
        (client,) = world.fake.realms[world.home(run.tenant)]["clients"].values()
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
    """A lead chooses its tenant's key: `master` is Keycloak's own realm."""
    run = world.run(key="master")
    assert_error(call_users(run, provider="keycloak"), 409, code="provider_name_taken")
    assert not world.admin("master").get_users({"email": EMAIL.lower(), "exact": "true"})
    world.tenants.clear()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "world", ["keycloak", "keycloak pooled", "keycloak organizations", "auth0", "cognito pooled"], indirect=True
)
def test_what_a_deleted_tenant_left_is_not_given_to_the_next_of_its_key(world):
    run = world.run()
    done(world, run)
    Tenant.objects.filter(id=run.tenant_id).soft_delete(actor=None)
    again = world.run(key=run.tenant.key)
    assert_error(call_users(again, provider=world.provider), 409, code="provider_name_taken")


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
        (client,) = world.fake.realms["realm-of-acme"]["clients"].values()
        assert (client["clientId"], client["secret"]) == ("client-acme", "the-secret-of-ssm")
        assert IdentitySetup.objects.get().memory == "{}"

    def test_that_do_not_exist_are_named(self, world):
        run = world.run()
        error = assert_error(call_users(run, provider="keycloak"), 400)
        assert f"{self.path(world, run)}secret" in error["message"]
        assert IdentityStep.objects.get(outcome="failed").name == "parameters"


@pytest.mark.django_db
@auth0_only
class TestAuth0:
    CONFIG = {
        "display_name": "Acme & Co", "logo_url": "https://acme.example/logo.png", "primary_color": "#008080",
        "page_background": "#ffffff", "enabled_connections": [{"connection_id": "con_0000000000000002"}],
        "password": "what-the-reference-kept-here",
    }  # fmt: skip

    def test_shapes_an_organization_of_its_own_by_the_tenants_configuration_and_no_shared_one(self, world):
        if world.fake is None:
            pytest.skip("looks into the fake")
        run = world.run()
        make_config(run.tenant, config_key="auth0", config_value=self.CONFIG)
        done(world, run)
        (organization,) = world.fake.organizations.values()
        enabled = {each["connection_id"] for each in organization["enabled"]}
        if world.tier == "PREMIUM":
            assert organization["display_name"] == "Acme & Co"
            assert organization["branding"]["colors"] == {"primary": "#008080", "page_background": "#ffffff"}
            assert enabled == {"con_0000000000000001", "con_0000000000000002"}
        else:
            assert "branding" not in organization
            assert enabled == {"con_0000000000000001"}

    @pytest.mark.parametrize(
        "config",
        [
            {"colour": "teal"},
            {"display_name": 7},
            {"enabled_connections": "all"},
            {"enabled_connections": ["con_1"]},
            {"enabled_connections": [{"connection_id": "con_1", "role": "admin"}]},
            {"primary_color": "#008080"},
            {"connection": "no-such-connection"},
        ],
        ids=str,
    )
    def test_a_configuration_that_makes_no_sense_is_a_400_that_names_it(self, world, config):
        run = world.run()
        make_config(run.tenant, config_key="auth0", config_value=config)
        assert "auth0" in assert_error(call_users(run, provider="auth0"), 400)["message"].lower()

    def test_mails_a_ticket_that_is_made_when_the_mail_is(self, world, relayed):
        run = world.run()
        done(world, run)
        if world.fake is not None:
            assert world.fake.tickets == []
        relayed()
        (message,) = mail.outbox
        assert message.to == [EMAIL]
        link = next(line for line in message.body.splitlines() if line.startswith("https://"))
        assert link not in str(list(Event.objects.values()) + list(Delivery.objects.values()))
        if world.fake is not None:
            (ticket,) = world.fake.tickets
            assert ticket["mark_email_as_verified"] is True

    def test_that_is_away_delays_the_mail(self, world, relayed):
        run = world.run()
        done(world, run)
        providers.get("auth0").token.forget()
        world.proxy.fail(1, "before")
        relayed()
        assert mail.outbox == []
        delivery = Delivery.objects.get(destination="mail:identity_invitation")
        assert (delivery.state, "503" in delivery.last_error) == (Delivery.State.PENDING, True)
        Delivery.objects.update(next_attempt_on=delivery.created_on)
        relayed()
        assert len(mail.outbox) == 1

    def test_gives_no_ticket_for_an_account_that_was_there_before(self, world, relayed):
        first, second = world.run(), world.run()
        assert done(world, first) == done(world, second)
        relayed()
        assert len(mail.outbox) == 1
        gone = Delivery.objects.filter(destination="mail:identity_invitation", state=Delivery.State.CANCELLED)
        assert gone.count() == 1

    def test_gives_no_ticket_to_somebody_who_became_the_primary_contact_since(self, world, relayed):
        run = world.run()
        done(world, run)
        run.tenant.contacts.update(email="mallory@acme.example")
        relayed()
        assert mail.outbox == []


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["cognito", "cognito pooled"], indirect=True)
class TestCognito:
    def test_invites_the_first_user_by_itself(self, world):
        run = world.run()
        auth_id = done(world, run)
        api = world.api()
        (pool,) = api.list_user_pools(MaxResults=60)["UserPools"]
        user = api.admin_get_user(UserPoolId=pool["Id"], Username="ada@acme.example")
        attributes = {each["Name"]: each["Value"] for each in user["UserAttributes"]}
        assert (attributes["sub"], attributes["given_name"]) == (auth_id, "Ada")
        assert user["UserStatus"] == "FORCE_CHANGE_PASSWORD"
        memory = IdentitySetup.objects.get().memory_values
        app = api.describe_user_pool_client(UserPoolId=pool["Id"], ClientId=memory["client_id"])["UserPoolClient"]
        assert app["ClientSecret"] == memory["client_secret"]
        assert app["CallbackURLs"][0] == f"https://{run.tenant.key}.saas.example/"

    def test_finds_its_pool_among_more_than_one_page(self, world, monkeypatch):
        monkeypatch.setattr("identity.providers.cognito.PAGE", 2)
        api = world.api()
        run = world.run()
        for number in range(5):
            api.create_user_pool(PoolName=world.home(run.tenant) if number == 0 else f"pool-{number}")
        auth_id = done(world, run)
        IdentitySetup.objects.all().delete()
        assert done(world, run) == auth_id


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["keycloak", "keycloak organizations", "auth0", "cognito pooled"], indirect=True)
def test_check_identity_prints_what_would_be_done_and_does_nothing(world, capsys):
    run = world.run()
    call_command("check_identity", world.provider, "--tenant", str(run.tenant_id))
    out = capsys.readouterr().out
    assert "credentials are accepted" in out
    assert out.count("would be done") >= 3
    assert not IdentitySetup.objects.exists()
    assert not [call for call in world.proxy.calls if call.startswith(("PUT", "DELETE"))]
    auth_id = done(world, run)
    call_command("check_identity", world.provider, "--tenant", str(run.tenant_id))
    out = capsys.readouterr().out
    assert out.count("is there") >= 3
    assert done(world, run) == auth_id
    deliver_all()
