"""Keycloak, by its Admin REST API (https://www.keycloak.org/docs-api/latest/rest-api/index.html).

A PREMIUM tenant has a realm named by its key, the others share their tier's. Keycloak grows slow with many realms: with
KEYCLOAK_ORGANIZATIONS_REALM every tenant is an organization of that one realm instead. Each tenant has a confidential
client, and its primary contact is the first user, whom Keycloak itself asks by mail to set a password.
"""

import json
import secrets
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.module_loading import import_string
from keycloak import KeycloakAdmin, KeycloakOpenID, KeycloakOpenIDConnection
from keycloak.exceptions import KeycloakConnectionError, KeycloakError

from identity.providers.base import (
    MARK,
    IdentityProvider,
    Refused,
    Step,
    TenantProfile,
    required,
)
from identity.providers.credentials import CachedToken, temporary_password

SET_PASSWORD = "UPDATE_PASSWORD"  # noqa: S105  (the name of a required action)
OWN_NAMES = frozenset({"account", "broker", "master"})
"""What Keycloak has by itself, and a tenant's key may be: two clients of every realm, and the administrators' realm."""


class KeycloakProvider(IdentityProvider):
    credentials = "KEYCLOAK_ADMIN_USERNAME and KEYCLOAK_ADMIN_PASSWORD"
    # TypeError: what python-keycloak raises for an answer of another shape, see `translate`.
    sdk_errors = (KeycloakError, TypeError)

    def __init__(self):
        self.server = f"{required('KEYCLOAK_HOST')}/"
        self.domain = required("DOMAIN_NAME")
        username, password = required("KEYCLOAK_ADMIN_USERNAME"), required("KEYCLOAK_ADMIN_PASSWORD")
        self.token = CachedToken(lambda: self._sign_in(username, password))

    def _sign_in(self, username: str, password: str) -> dict:
        openid = KeycloakOpenID(
            self.server, realm_name="master", client_id="admin-cli", timeout=settings.IDENTITY_TIMEOUT, max_retries=0
        )
        return openid.token(username, password)

    def connect(self):
        return KeycloakAdmin(connection=Connection(self.server, self.token))

    def check(self, client):
        client.get_realms()

    def translate(self, error):
        if isinstance(error, TypeError):
            if str(error).startswith("Unexpected response type"):
                return Refused(f"{self.name} does not answer as Keycloak does: see KEYCLOAK_HOST.")
            raise error
        if isinstance(error, KeycloakConnectionError) or error.response_code is None:
            return self.of_status(None)
        return self.of_status(error.response_code, _message(error.response_body))

    def steps(self, client, tenant, memory):
        memory.hide(settings.AWS_SES_SMTP_PASSWORD)
        names = yield from self._names(tenant, memory)
        realm, shared = names["realm"], not tenant.is_silo or bool(settings.KEYCLOAK_ORGANIZATIONS_REALM)
        found = yield Step(
            "realm",
            f"realm {realm}",
            look=lambda: self._realm(client, realm, None if shared or names["given"] else tenant),
            do=lambda: self._create_realm(client, realm, None if shared else tenant),
            shared=shared,
        )
        client.change_current_realm(realm)
        yield Step(
            "mail settings",
            f"mail settings of realm {realm}",
            look=lambda: found.get("smtpServer", {}).get("host"),
            do=lambda: client.update_realm(realm, {"smtpServer": self._smtp()}),
        )
        yield Step(
            "client",
            f"client {names['client-id']} in realm {realm}",
            look=lambda: self._client(client, names["client-id"], tenant),
            do=lambda: self._create_client(client, tenant, names["client-id"], memory.hide(names["client-secret"])),
        )
        email = tenant.admin.email.lower()
        user = yield Step(
            "user",
            f"user {email} in realm {realm}",
            look=lambda: self._user(client, email),
            do=lambda: self._create_user(client, tenant, email, memory.hide(temporary_password())),
        )
        if settings.KEYCLOAK_ORGANIZATIONS_REALM:
            yield from self._membership(client, tenant, found, user)
        yield Step(
            "invitation",
            f"mail to {email}: set a password",
            look=lambda: None if SET_PASSWORD in user.get("requiredActions", ()) else "has a password",
            do=lambda: client.send_update_account(
                user["id"], [SET_PASSWORD], lifespan=settings.IDENTITY_INVITATION_EXPIRY
            ),
        )
        return lambda: user["id"]

    def home(self, tenant):
        return _name(tenant) if tenant.is_silo else super().home(tenant)

    def _names(self, tenant, memory):
        """Realm, client id and secret: the Systems Manager's when NAMESPACE is set, else ours, made once."""
        if settings.NAMESPACE:
            path = f"/{settings.NAMESPACE}/{settings.ENVIRONMENT}/{tenant.tier.lower()}/{tenant.key}/keycloak-client-"
            paths = [f"{path}{part}" for part in ("id", "secret", "realm")]
            read = import_string("identity.providers.aws.parameters")  # boto3, only for those who need it
            values = yield Step("parameters", f"SSM parameters {path}*", look=lambda: read(paths), do=lambda: None)
            client_id, client_secret, realm = (values[path] for path in paths)
            realm = settings.KEYCLOAK_ORGANIZATIONS_REALM or realm
            return {"realm": realm, "client-id": client_id, "client-secret": client_secret, "given": True}
        return {
            "realm": settings.KEYCLOAK_ORGANIZATIONS_REALM or self.home(tenant),
            "client-id": _name(tenant),
            "client-secret": memory.made("client_secret", lambda: secrets.token_urlsafe(32)),
            "given": False,
        }

    def _realm(self, client, name: str, owner: TenantProfile | None):
        """The realm; one that only its owner may have is Taken when it is somebody else's."""
        realm = _unless_absent(client.get_realm, name)
        if realm is not None and owner is not None:
            self.must_be_of(owner, realm.get("attributes", {}).get(MARK), f"realm {name}")
        return realm

    def _create_realm(self, client, name: str, owner: TenantProfile | None) -> dict:
        realm = {
            "realm": name,
            "enabled": True,
            "displayName": owner.name if owner else settings.APP_NAME,
            "sslRequired": "external",
            "loginWithEmailAllowed": True,
            "registrationAllowed": False,
            "resetPasswordAllowed": True,
            "bruteForceProtected": True,
            "smtpServer": self._smtp(),
            "organizationsEnabled": bool(settings.KEYCLOAK_ORGANIZATIONS_REALM),
            "attributes": {MARK: str(owner.id)} if owner else {},
        }
        client.create_realm(realm)
        return realm

    def _smtp(self) -> dict[str, str]:
        host = urlsplit(f"//{required('AWS_SES_SMTP_HOST')}")
        return {
            "host": str(host.hostname),
            "port": str(host.port or 587),
            "from": required("SMTP_FROM_EMAIL"),
            "fromDisplayName": settings.SMTP_FROM_DISPLAY_NAME or settings.APP_NAME,
            "starttls": "true",
            "auth": "true" if settings.AWS_SES_SMTP_USERNAME else "false",
            "user": settings.AWS_SES_SMTP_USERNAME,
            "password": settings.AWS_SES_SMTP_PASSWORD,
        }

    def _client(self, client, client_id: str, tenant: TenantProfile) -> dict | None:
        id = client.get_client_id(client_id)
        if id is None:
            return None
        found = client.get_client(id)
        self.must_be_of(tenant, found.get("attributes", {}).get(MARK), f"client {client_id}")
        return found

    def _create_client(self, client, tenant: TenantProfile, client_id: str, secret: str) -> dict:
        own = f"https://{tenant.key}.{self.domain}"
        local = [] if settings.PRODUCTION else ["http://localhost:3000/*"]
        made = {
            "clientId": client_id,
            "name": tenant.name,
            "secret": secret,
            "enabled": True,
            "protocol": "openid-connect",
            "publicClient": False,
            "standardFlowEnabled": True,
            "implicitFlowEnabled": False,
            "directAccessGrantsEnabled": settings.KEYCLOAK_DIRECT_GRANTS,
            "redirectUris": [f"{own}/*", *local],
            "webOrigins": ["+"],
            "attributes": {MARK: str(tenant.id)},
        }
        return {**made, "id": client.create_client(made)}

    def _user(self, client, email: str) -> dict | None:
        found = client.get_users({"email": email, "exact": "true", "briefRepresentation": "false"})
        return next((user for user in found if user.get("email", "").lower() == email), None)

    def _create_user(self, client, tenant: TenantProfile, email: str, password: str) -> dict:
        user = {
            "username": email,
            "email": email,
            "firstName": tenant.admin.first_name,
            "lastName": tenant.admin.last_name,
            "enabled": True,
            "emailVerified": False,
            "requiredActions": [SET_PASSWORD],
        }
        credentials = [{"type": "password", "value": password, "temporary": True}]
        return {**user, "id": client.create_user({**user, "credentials": credentials})}

    def _membership(self, client, tenant: TenantProfile, realm: dict, user: dict):
        yield Step(
            "organizations",
            f"organizations in realm {realm['realm'] if realm else settings.KEYCLOAK_ORGANIZATIONS_REALM}",
            look=lambda: realm.get("organizationsEnabled") or None,
            do=lambda: client.update_realm(realm["realm"], {"organizationsEnabled": True}),
        )
        organization = yield Step(
            "organization",
            f"organization {tenant.key}",
            look=lambda: self._organization(client, tenant),
            do=lambda: self._create_organization(client, tenant),
        )
        yield Step(
            "membership",
            f"membership of {tenant.admin.email.lower()} in {tenant.key}",
            look=lambda: organization in [each["id"] for each in client.get_user_organizations(user["id"])] or None,
            do=lambda: client.organization_user_add(user["id"], organization),
        )

    def _organization(self, client, tenant: TenantProfile) -> str | None:
        found = client.get_organizations({"search": tenant.key, "exact": "true", "first": 0, "max": 10})
        for brief in found:
            if brief["name"] == tenant.key:
                whole = client.get_organization(brief["id"])
                mark = whole.get("attributes", {}).get(MARK, [])
                self.must_be_of(tenant, mark[0] if mark else None, f"organization {tenant.key}")
                return brief["id"]
        return None

    def _create_organization(self, client, tenant: TenantProfile) -> str:
        # The tenant's own domains are only claimed by it: two tenants may, and Keycloak routes log-ins by them.
        domain = {"name": f"{tenant.key}.{self.domain}", "verified": False}
        return client.create_organization(
            {
                "name": tenant.key,
                "alias": tenant.key,
                "description": tenant.name,
                "enabled": True,
                "domains": [domain],
                "attributes": {MARK: [str(tenant.id)]},
            }
        )


class Connection(KeycloakOpenIDConnection):
    """One attempt's connection. The SDK would sign in once for each; this takes the token that the process keeps."""

    def __init__(self, server: str, cached: CachedToken):
        self._cached, self._renewed = cached, False
        super().__init__(server_url=server, token=cached.get(), timeout=settings.IDENTITY_TIMEOUT, max_retries=0)

    def get_token(self):
        self.token = self._cached.get()

    def refresh_token(self):
        """What the SDK calls when a token has ended or is refused (401), before it repeats the request once."""
        self._cached.forget()
        self.get_token()

    def raw_get(self, *args, **kwargs):
        return self._with_rights(super().raw_get, *args, **kwargs)

    def raw_post(self, *args, **kwargs):
        return self._with_rights(super().raw_post, *args, **kwargs)

    def raw_put(self, *args, **kwargs):
        return self._with_rights(super().raw_put, *args, **kwargs)

    def _with_rights(self, call, *args, **kwargs):
        """A token has no rights on a realm that is younger than itself (403): a fresh one is tried, once."""
        answer = call(*args, **kwargs)
        if answer.status_code == 403 and not self._renewed:
            self._renewed = True
            self.refresh_token()
            answer = call(*args, **kwargs)
        return answer


def _name(tenant: TenantProfile) -> str:
    """What the tenant's client and its own realm are called: its key, or what no key can be."""
    return f"tenant-{tenant.key}" if tenant.key in OWN_NAMES else tenant.key


def _message(body: bytes | None) -> str:
    """What Keycloak says is wrong (ErrorRepresentation, or OAuth's error); nothing of another shape."""
    try:
        said = json.loads(body or b"{}")
    except ValueError:
        return ""
    return str(said.get("errorMessage") or said.get("error") or "") if isinstance(said, dict) else ""


def _unless_absent(method, *arguments):
    try:
        return method(*arguments)
    except KeycloakError as error:
        if error.response_code == 404:
            return None
        raise
