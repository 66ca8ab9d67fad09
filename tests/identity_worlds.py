"""Keycloak, Auth0 and Cognito through their real SDKs, behind a proxy that can fail at any request.

Keycloak and Auth0 are the fake of tests/identity_server.py, Cognito is moto. The same tests run against live servers
when KEYCLOAK_TEST_URL or AUTH0_TEST_DOMAIN name one: docs/identity-providers.md has the commands.
"""

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import boto3
import certifi
import httpx
import pytest
import requests
from auth0.management import Auth0
from django.utils.module_loading import import_string
from keycloak import KeycloakAdmin

from identity import providers
from identity.providers.keycloak import OWN_NAMES
from tenants.models import Tenant
from tests import identity_server as fake_names
from tests.conftest import call_users
from tests.flaky import flaky
from tests.identity_server import identity_server
from tests.make import make_contact, make_run, make_tenant

LIVE_KEYCLOAK, LIVE_AUTH0 = os.environ.get("KEYCLOAK_TEST_URL"), os.environ.get("AUTH0_TEST_DOMAIN")
SHARED = "tenantry-test-{tier}"
EMAIL = "Ada@Acme.example"
WORLDS = ["keycloak", "keycloak pooled", "keycloak organizations", "auth0", "auth0 pooled", "cognito", "cognito pooled"]


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
        name = super().home(tenant)
        return self.settings.KEYCLOAK_ORGANIZATIONS_REALM or (f"tenant-{name}" if name in OWN_NAMES else name)

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
