"""Auth0, by its Management API (https://auth0.com/docs/api/management/v2).

A PREMIUM tenant has an organization named by its key, the others share their tier's. The primary contact becomes a user
of the database connection and a member; a password-change ticket, mailed by us, lets that person in.

A tenant's configuration `auth0` has the reference's names: `connection` (the database connection's name), and
`display_name`, `logo_url`, `primary_color`, `page_background` and `enabled_connections` ([{"connection_id": …}]), which
shape an organization of its own only: nobody changes what others share.
"""

from urllib.parse import urlsplit

import httpx
import requests
from auth0.authentication import GetToken
from auth0.authentication.exceptions import Auth0Error
from auth0.management import Auth0
from auth0.management.core.api_error import ApiError
from django.conf import settings

from identity.providers.base import (
    MARK,
    IdentityProvider,
    Misconfigured,
    Step,
    TenantProfile,
    required,
)
from identity.providers.credentials import CachedToken, temporary_password

NO_RETRIES = 0  # the SDK would repeat on 409 as well; who calls us repeats, and each step looks first
TEXTS = frozenset({"connection", "display_name", "logo_url", "primary_color", "page_background"})
CONNECTION = frozenset({"connection_id", "assign_membership_on_login", "show_as_button", "is_signup_enabled"})
OF_THE_USER = frozenset(
    {
        "password", "verify_email", "email_verified", "phone_number", "phone_verified", "username", "blocked", "name",
        "given_name", "family_name", "nickname", "picture", "user_id", "user_metadata", "app_metadata", "link_color",
    }
)  # fmt: skip
"""What the reference's configurations hold besides. It is let pass and not used: the first user is the primary contact,
and nobody but that person knows the password."""


class Auth0Provider(IdentityProvider):
    credentials = "AUTH0_CLIENT_ID and AUTH0_CLIENT_SECRET"
    tenant_options = TEXTS | {"enabled_connections"} | OF_THE_USER
    invites_by_our_mail = True
    sdk_errors = (ApiError, Auth0Error, httpx.HTTPError, requests.RequestException)

    def __init__(self):
        self.origin = required("AUTH0_DOMAIN")
        client_id, client_secret = required("AUTH0_CLIENT_ID"), required("AUTH0_CLIENT_SECRET")
        audience = settings.AUTH0_AUDIENCE or f"{self.origin}/api/v2/"
        self.token = CachedToken(lambda: self._sign_in(client_id, client_secret, audience))
        self.http = httpx.Client(timeout=settings.IDENTITY_TIMEOUT)  # serves all threads, and keeps its connections
        self.api = Auth0(
            base_url=f"{self.origin}/api/v2",
            token=lambda: self.token.get()["access_token"],
            max_retries=NO_RETRIES,
            httpx_client=self.http,
        )

    def _sign_in(self, client_id: str, client_secret: str, audience: str) -> dict:
        address = urlsplit(self.origin)
        oauth = GetToken(
            address.netloc,
            client_id,
            client_secret=client_secret,
            protocol=address.scheme,
            timeout=float(settings.IDENTITY_TIMEOUT),
        )
        return oauth.client_credentials(audience)

    def connect(self):
        self.token.get()
        return self.api

    def check(self, client):
        self._connection(client, settings.AUTH0_CONNECTION)

    def forget_token(self):
        return self.token.forget()

    def translate(self, error):
        if isinstance(error, ApiError):
            body = error.body if isinstance(error.body, dict) else {}
            return self.of_status(error.status_code, str(body.get("message") or ""))
        if isinstance(error, Auth0Error):
            return self.of_status(error.status_code)
        return self.of_status(None)

    def steps(self, client, tenant, memory):
        connection = tenant.config.get("connection") or settings.AUTH0_CONNECTION
        database = yield Step(
            "connection",
            f"connection {connection}",
            look=lambda: self._connection(client, connection),
            do=lambda: None,
        )
        name = self.home(tenant)
        organization = yield Step(
            "organization",
            f"organization {name}",
            look=lambda: self._organization(client, name, tenant),
            do=lambda: self._create_organization(client, name, tenant),
            shared=not tenant.is_silo,
        )
        yield Step(
            "enabled connections",
            f"connections of organization {name}",
            look=lambda: None if self._missing(client, organization, tenant, database) else "enabled",
            do=lambda: [
                client.organizations.enabled_connections.add(organization, **each)
                for each in self._missing(client, organization, tenant, database)
            ],
            shared=not tenant.is_silo,
        )
        email = tenant.admin.email.lower()
        user = yield Step(
            "user",
            f"user {email} of {connection}",
            look=lambda: self._user(client, connection, email),
            do=lambda: self._create_user(client, connection, tenant, email, memory.hide(temporary_password())),
        )
        yield Step(
            "membership",
            f"membership of {email} in {name}",
            look=lambda: organization in [each.id for each in client.users.organizations.list(user)] or None,
            do=lambda: client.organizations.members.create(organization, members=[user]) or "a member",
        )
        return lambda: user

    def invitation(self, client, tenant, auth_id):
        """A ticket for the first user; None for somebody who had an account before, perhaps another tenant's."""
        user = client.users.get(auth_id)
        if (user.app_metadata or {}).get(MARK) != str(tenant.id) or user.email != tenant.admin.email.lower():
            return None
        ticket = client.tickets.change_password(
            user_id=auth_id, ttl_sec=settings.IDENTITY_INVITATION_EXPIRY, mark_email_as_verified=True
        )
        return ticket.ticket

    def check_options(self, tenant):
        super().check_options(tenant)
        for name in TEXTS & set(tenant.config):
            if not isinstance(tenant.config[name], str):
                raise Misconfigured(f"The tenant's configuration auth0: {name} is a text.")
        if ("primary_color" in tenant.config) != ("page_background" in tenant.config):
            raise Misconfigured("The tenant's configuration auth0: primary_color and page_background go together.")
        enabled = tenant.config.get("enabled_connections", [])
        if not isinstance(enabled, list) or not all(
            isinstance(each, dict) and isinstance(each.get("connection_id"), str) and set(each) <= CONNECTION
            for each in enabled
        ):
            raise Misconfigured(
                "The tenant's configuration auth0: enabled_connections is a list of objects with a connection_id, and "
                "perhaps assign_membership_on_login, show_as_button and is_signup_enabled."
            )

    def _connection(self, client, name: str) -> str:
        found = next((each for each in client.connections.list(name=name) if each.name == name), None)
        if found is None:
            raise Misconfigured(f"Auth0 has no connection {name}: see AUTH0_CONNECTION and the tenant's configuration.")
        return found.id

    def _organization(self, client, name: str, tenant: TenantProfile) -> str | None:
        try:
            found = client.organizations.get_by_name(name)
        except ApiError as error:
            if error.status_code == 404:
                return None
            raise
        if tenant.is_silo:
            self.must_be_of(tenant, (found.metadata or {}).get(MARK), f"organization {name}")
        return found.id

    def _create_organization(self, client, name: str, tenant: TenantProfile) -> str:
        if not tenant.is_silo:
            return client.organizations.create(name=name).id
        texts = {name: tenant.config[name] for name in TEXTS & set(tenant.config)}
        branding: dict = {"logo_url": texts["logo_url"]} if "logo_url" in texts else {}
        if "primary_color" in texts:
            branding["colors"] = {"primary": texts["primary_color"], "page_background": texts["page_background"]}
        return client.organizations.create(
            name=name,
            display_name=texts.get("display_name") or tenant.name,
            metadata={MARK: str(tenant.id)},
            **({"branding": branding} if branding else {}),
        ).id

    def _missing(self, client, organization: str, tenant: TenantProfile, database: str) -> list[dict]:
        """The connections that are to be enabled and are not: where the first user lives, and the tenant's own."""
        wanted = {database: {"connection_id": database, "assign_membership_on_login": False}}
        if tenant.is_silo:
            wanted |= {each["connection_id"]: each for each in tenant.config.get("enabled_connections", [])}
        enabled = {each.connection_id for each in client.organizations.enabled_connections.list(organization)}
        return [wanted[id] for id in wanted if id not in enabled]

    def _user(self, client, connection: str, email: str) -> str | None:
        # By e-mail and not by a search, which may lag behind what was just written.
        for user in client.users.list_users_by_email(email=email):
            if any(each.connection == connection for each in user.identities or ()):
                return user.user_id
        return None

    def _create_user(self, client, connection: str, tenant: TenantProfile, email: str, password: str) -> str:
        user = client.users.create(
            connection=connection,
            email=email,
            password=password,
            given_name=tenant.admin.first_name,
            family_name=tenant.admin.last_name,
            name=f"{tenant.admin.first_name} {tenant.admin.last_name}",
            verify_email=False,  # the ticket proves the address
            app_metadata={MARK: str(tenant.id)},
        )
        return user.user_id
