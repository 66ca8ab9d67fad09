"""Keycloak's Admin API and Auth0's Management API, as much of them as the service calls: one fake that keeps state.

It stands in for servers that no package registry has. What it checks and answers follows what is published:

- Keycloak 26, https://www.keycloak.org/docs-api/latest/rest-api/index.html (RealmRepresentation,
  ClientRepresentation, UserRepresentation, OrganizationRepresentation, ErrorRepresentation {errorMessage}); creations
  answer 201 with a Location; attributes of organizations are lists, those of realms and clients texts; lists of users
  and organizations have pages (first, max), organizations ten at a time, in a brief form without attributes. An access
  token has no rights on a realm that is younger than itself.
- Auth0, https://auth0.com/docs/api/management/v2 (organizations, connections, users, tickets): errors are
  {statusCode, error, message, errorCode}; lists have pages of two kinds, by offset (start, limit, total) and by
  checkpoint (next). The SDK, which Auth0 generates from its API's definition, parses what is answered here.
"""

import itertools
import json
import re
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.flaky import running

USERNAME, PASSWORD = "admin", "the-admins-pa55word"
CLIENT_ID, CLIENT_SECRET = "management-client", "the-management-clients-secret"
DATABASE = "Username-Password-Authentication"
OWN_CLIENTS = ("account", "account-console", "admin-cli", "broker", "realm-management", "security-admin-console")
"""Keycloak's, which every realm is born with."""


class Answer(Exception):
    """Ends a request with this status, body and headers."""

    def __init__(self, status: int, body: Any = None, **headers: str):
        self.status, self.body, self.headers = status, body, headers


def need(body: dict, *names: str) -> None:
    for name in names:
        if not body.get(name):
            raise Answer(400, {"errorMessage": f"{name} is missing", "message": f"Missing required property: {name}"})


class IdentityServer:
    def __init__(self):
        self._lock = threading.RLock()
        self.slowness = 0.0
        """Seconds that every request takes."""
        self.reset()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def reset(self) -> None:
        self.tokens: dict[str, frozenset[str]] = {}
        self.lifetime, self.accepting = 60, True
        self.sign_ins = 0
        self.realms: dict[str, dict] = {}
        self._add_realm(realm="master")
        self.mails: list[tuple[str, str]] = []
        self.connections = {
            f"con_{n:016}": {"id": f"con_{n:016}", "name": name, "strategy": "auth0"}
            for n, name in enumerate([DATABASE, "acme-saml", "other"], 1)
        }
        self.organizations: dict[str, dict] = {}
        self.users: dict[str, dict] = {}
        self.tickets: list[dict] = []
        self._numbers = itertools.count(1)

    # --- HTTP --------------------------------------------------------------------------------------------------------

    def _handler(self):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self):
                raw = self.rfile.read(int(self.headers.get("content-length") or 0))
                time.sleep(fake.slowness)
                try:
                    with fake._lock:
                        fake._route(self.command, self.path, self.headers, raw)
                except Answer as answer:
                    content = b"" if answer.body is None else json.dumps(answer.body).encode()
                    self.send_response_only(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    if content:
                        self.send_header("content-type", "application/json")
                    if answer.status != 204:
                        self.send_header("content-length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_):
                """Nobody reads its log."""

        return Handler

    def _route(self, method: str, path: str, headers, raw: bytes) -> None:
        parts = urlsplit(path)
        self.query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.headers, self.raw = headers, raw
        is_json = headers.get("content-type", "").startswith("application/json")
        try:
            self.body = json.loads(raw) if is_json and raw else {}
        except ValueError:
            self.body = raw.decode()  # an organization's new member: an id as it is
        for verb, pattern, function in ROUTES:
            match = re.fullmatch(pattern, parts.path)
            if verb == method and match:
                if "token" not in pattern:
                    self._authorize(parts.path)
                function(self, *map(unquote, match.groups()))
                raise Answer(204)
        raise Answer(404, {"error": "HTTP 404 Not Found", "message": f"no route for {method} {path}"})

    def _authorize(self, path: str) -> None:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens or not self.accepting:
            raise Answer(401, {"error": "HTTP 401 Unauthorized", "statusCode": 401, "message": "Invalid token"})
        realm = re.match(r"/admin/realms/([^/]+)", path)
        if realm and realm[1] in self.realms and realm[1] not in self.tokens[token]:
            raise Answer(403, {"error": "HTTP 403 Forbidden"})

    def _token(self, **more: Any) -> None:
        self.sign_ins += 1
        token = f"token-{uuid.uuid4().hex}"
        self.tokens[token] = frozenset(self.realms)
        raise Answer(200, {"access_token": token, "expires_in": self.lifetime, "token_type": "Bearer", **more})

    def _new_id(self) -> str:
        return str(uuid.uuid4())

    # --- Keycloak ----------------------------------------------------------------------------------------------------

    def keycloak_token(self, realm: str) -> None:
        form = {name: values[0] for name, values in parse_qs(self.raw.decode()).items()}
        given = (realm, form.get("grant_type"), form.get("client_id"), form.get("username"), form.get("password"))
        if given != ("master", "password", "admin-cli", USERNAME, PASSWORD) or not self.accepting:
            raise Answer(401, {"error": "invalid_grant", "error_description": "Invalid user credentials"})
        self._token(refresh_token="refresh", refresh_expires_in=1800)

    def _realm(self, name: str) -> dict:
        if name not in self.realms:
            raise Answer(404, {"error": "Realm not found."})
        return self.realms[name]

    def _add_realm(self, **values: Any) -> None:
        own = [{"id": self._new_id(), "clientId": name} for name in OWN_CLIENTS]
        clients = {each["id"]: each for each in own}
        self.realms[values["realm"]] = {
            **values, "id": self._new_id(), "clients": clients, "users": {}, "organizations": {}
        }  # fmt: skip

    def clients_of(self, realm: str) -> list[dict]:
        """The clients of a realm that are not Keycloak's own."""
        return [each for each in self.realms[realm]["clients"].values() if each["clientId"] not in OWN_CLIENTS]

    def list_realms(self) -> None:
        raise Answer(200, [{"realm": name} for name in self.realms])

    def create_realm(self) -> None:
        need(self.body, "realm")
        name = self.body["realm"]
        if name in self.realms:
            raise Answer(409, {"errorMessage": "Conflict detected. See logs for details"})
        self._add_realm(**self.body)
        raise Answer(201, Location=f"{self.url}/admin/realms/{name}")

    def read_realm(self, name: str) -> None:
        realm = {key: value for key, value in self._realm(name).items() if not isinstance(value, dict)}
        smtp = dict(self.realms[name].get("smtpServer", {}))
        if "password" in smtp:
            smtp["password"] = "**********"
        raise Answer(200, {**realm, "smtpServer": smtp, "attributes": self.realms[name].get("attributes", {})})

    def update_realm(self, name: str) -> None:
        self._realm(name).update(self.body)

    def delete_realm(self, name: str) -> None:
        self._realm(name)
        del self.realms[name]

    def list_clients(self, realm: str) -> None:
        wanted = self.query.get("clientId")
        found = [c for c in self._realm(realm)["clients"].values() if wanted in (None, c["clientId"])]
        raise Answer(200, found)

    def read_client(self, realm: str, id: str) -> None:
        if id not in self._realm(realm)["clients"]:
            raise Answer(404, {"error": "Could not find client"})
        raise Answer(200, self.realms[realm]["clients"][id])

    def create_client(self, realm: str) -> None:
        need(self.body, "clientId")
        clients = self._realm(realm)["clients"]
        if any(client["clientId"] == self.body["clientId"] for client in clients.values()):
            raise Answer(409, {"errorMessage": f"Client {self.body['clientId']} already exists"})
        id = self._new_id()
        clients[id] = {**self.body, "id": id}
        raise Answer(201, Location=f"{self.url}/admin/realms/{realm}/clients/{id}")

    def list_users(self, realm: str) -> None:
        exact, email = self.query.get("exact") == "true", self.query.get("email", "")
        found = [
            {key: value for key, value in user.items() if key != "credentials"}
            for user in self._realm(realm)["users"].values()
            if (user["email"] == email if exact else email in user["email"])
        ]
        first, count = int(self.query.get("first", 0)), int(self.query.get("max", 100))
        raise Answer(200, found[first : first + count])

    def create_user(self, realm: str) -> None:
        need(self.body, "username", "email")
        users = self._realm(realm)["users"]
        if self.body["username"] != self.body["username"].lower():
            raise Answer(400, {"errorMessage": "error-username-invalid-character"})
        for credential in self.body.get("credentials", []):
            if len(credential["value"]) < 12:
                raise Answer(400, {"error": "invalidPasswordMinLengthMessage"})
        if any(user["username"] == self.body["username"] for user in users.values()):
            raise Answer(409, {"errorMessage": "User exists with same username"})
        if any(user["email"] == self.body["email"] for user in users.values()):
            raise Answer(409, {"errorMessage": "User exists with same email"})
        id = self._new_id()
        users[id] = {**self.body, "id": id}
        raise Answer(201, Location=f"{self.url}/admin/realms/{realm}/users/{id}")

    def execute_actions_email(self, realm: str, id: str) -> None:
        user = self._realm(realm)["users"].get(id)
        if user is None:
            raise Answer(404, {"error": "User not found"})
        if not self.realms[realm].get("smtpServer", {}).get("host"):
            raise Answer(500, {"errorMessage": "Failed to send execute actions email"})
        if not isinstance(self.body, list) or not int(self.query["lifespan"]):
            raise Answer(400, {"errorMessage": "Provided invalid required actions"})
        self.mails.append((realm, user["email"]))
        raise Answer(204)

    def list_organizations(self, realm: str) -> None:
        found = [o for o in self._realm(realm)["organizations"].values() if o["name"] == self.query.get("search")]
        first, count = int(self.query.get("first", 0)), int(self.query.get("max", 10))
        brief = [{k: v for k, v in o.items() if k not in ("attributes", "members")} for o in found]
        raise Answer(200, brief[first : first + count])

    def _organization(self, realm: str, id: str) -> dict:
        if id not in self._realm(realm)["organizations"]:
            raise Answer(404, {"errorMessage": "Organization not found"})
        return self.realms[realm]["organizations"][id]

    def read_organization(self, realm: str, id: str) -> None:
        raise Answer(200, {k: v for k, v in self._organization(realm, id).items() if k != "members"})

    def create_organization(self, realm: str) -> None:
        if not self._realm(realm).get("organizationsEnabled"):
            raise Answer(404, {"errorMessage": "Organizations not enabled for this realm."})
        need(self.body, "name", "domains")
        if not all(isinstance(values, list) for values in self.body.get("attributes", {}).values()):
            raise Answer(400, {"error": "unknown_error"})
        others = self.realms[realm]["organizations"].values()
        if any(other["name"] == self.body["name"] for other in others):
            raise Answer(409, {"errorMessage": "A organization with the same name already exists."})
        taken = {domain["name"] for other in others for domain in other["domains"]}
        if taken & {domain["name"] for domain in self.body["domains"]}:
            raise Answer(400, {"errorMessage": "Domain is already linked to another organization"})
        id = self._new_id()
        self.realms[realm]["organizations"][id] = {**self.body, "id": id, "members": []}
        raise Answer(201, Location=f"{self.url}/admin/realms/{realm}/organizations/{id}")

    def add_organization_member(self, realm: str, id: str) -> None:
        members = self._organization(realm, id)["members"]
        if self.body not in self.realms[realm]["users"]:
            raise Answer(400, {"errorMessage": "User does not exist"})
        if self.body in members:
            raise Answer(409, {"errorMessage": "User is already a member of the organization."})
        members.append(self.body)
        raise Answer(201)

    def organizations_of_member(self, realm: str, user: str) -> None:
        found = [o for o in self._realm(realm)["organizations"].values() if user in o["members"]]
        raise Answer(200, [{"id": o["id"], "name": o["name"]} for o in found])

    # --- Auth0 -------------------------------------------------------------------------------------------------------

    def auth0_token(self) -> None:
        form = self.body or {name: values[0] for name, values in parse_qs(self.raw.decode()).items()}
        given = (form.get("grant_type"), form.get("client_id"), form.get("client_secret"))
        if given != ("client_credentials", CLIENT_ID, CLIENT_SECRET) or not self.accepting:
            raise Answer(401, {"error": "access_denied", "error_description": "Unauthorized"})
        if not form.get("audience", "").endswith("/api/v2/"):
            raise Answer(403, {"error": "access_denied", "error_description": "Service not found"})
        self._token()

    def _error(self, status: int, code: str, message: str) -> Answer:
        return Answer(status, {"statusCode": status, "error": "Error", "message": message, "errorCode": code})

    def _page(self, name: str, rows: list) -> Answer:
        page, size = int(self.query.get("page", 0)), int(self.query.get("per_page", 50))
        shown = rows[page * size : (page + 1) * size]
        return Answer(200, {"start": page * size, "limit": size, "total": len(rows), name: shown})

    def list_connections(self) -> None:
        found = [c for c in self.connections.values() if self.query.get("name") in (None, c["name"])]
        start, take = int(self.query.get("from", 0)), int(self.query.get("take", 50))
        after = start + take
        more = {"next": str(after)} if after < len(found) else {}
        raise Answer(200, {"connections": found[start:after], **more})

    def organization_by_name(self, name: str) -> None:
        found = next((o for o in self.organizations.values() if o["name"] == name), None)
        if found is None:
            raise self._error(404, "organization_not_found", "No organization found by that id or name.")
        raise Answer(200, {k: v for k, v in found.items() if k not in ("members", "enabled")})

    def create_auth0_organization(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,49}", self.body.get("name", "")):
            raise self._error(400, "invalid_body", "Payload validation error: name")
        colors = self.body.get("branding", {}).get("colors")
        if colors is not None and set(colors) != {"primary", "page_background"}:
            raise self._error(400, "invalid_body", "Payload validation error: colors")
        if any(o["name"] == self.body["name"] for o in self.organizations.values()):
            raise self._error(409, "organization_conflict", "An organization with this name already exists.")
        id = f"org_{next(self._numbers):016}"
        self.organizations[id] = {**self.body, "id": id, "members": [], "enabled": []}
        raise Answer(201, {**self.body, "id": id})

    def _auth0_organization(self, id: str) -> dict:
        if id not in self.organizations:
            raise self._error(404, "organization_not_found", "No organization found by that id or name.")
        return self.organizations[id]

    def delete_auth0_organization(self, id: str) -> None:
        self._auth0_organization(id)
        del self.organizations[id]

    def list_enabled_connections(self, id: str) -> None:
        raise self._page("enabled_connections", self._auth0_organization(id)["enabled"])

    def enable_connection(self, id: str) -> None:
        enabled, wanted = self._auth0_organization(id)["enabled"], self.body.get("connection_id")
        if wanted not in self.connections:
            raise self._error(400, "invalid_connection", "The connection does not exist.")
        if any(each["connection_id"] == wanted for each in enabled):
            raise self._error(409, "connection_conflict", "The connection is already enabled.")
        enabled.append(dict(self.body))
        raise Answer(201, self.body)

    def users_by_email(self) -> None:
        raise Answer(200, [user for user in self.users.values() if user["email"] == self.query["email"]])

    def create_auth0_user(self) -> None:
        for name in ("connection", "email", "password"):
            if not self.body.get(name):
                raise self._error(400, "invalid_body", f"Payload validation error: missing {name}")
        if self.body["connection"] not in [c["name"] for c in self.connections.values()]:
            raise self._error(400, "inexistent_connection", "The connection does not exist.")
        if len(self.body["password"]) < 12:
            raise self._error(400, "invalid_password", "PasswordStrengthError")
        if any(user["email"] == self.body["email"] for user in self.users.values()):
            raise self._error(409, "auth0_idp_error", "The user already exists.")
        id = f"auth0|{uuid.uuid4().hex[:24]}"
        identity = {"connection": self.body["connection"], "user_id": id[6:], "provider": "auth0", "isSocial": False}
        shown = {name: value for name, value in self.body.items() if name not in ("password", "connection")}
        self.users[id] = {**shown, "user_id": id, "identities": [identity]}
        raise Answer(201, self.users[id])

    def _user(self, id: str) -> dict:
        if id not in self.users:
            raise self._error(404, "inexistent_user", "The user does not exist.")
        return self.users[id]

    def read_auth0_user(self, id: str) -> None:
        raise Answer(200, self._user(id))

    def delete_auth0_user(self, id: str) -> None:
        self._user(id)
        del self.users[id]

    def organizations_of_user(self, id: str) -> None:
        self._user(id)
        found = [{"id": o["id"], "name": o["name"]} for o in self.organizations.values() if id in o["members"]]
        raise self._page("organizations", found)

    def add_member(self, id: str) -> None:
        for user in self.body.get("members", []):
            self._user(user)
            if user not in self._auth0_organization(id)["members"]:
                self.organizations[id]["members"].append(user)
        raise Answer(204)

    def password_ticket(self) -> None:
        self._user(self.body.get("user_id"))
        self.tickets.append(dict(self.body))
        raise Answer(201, {"ticket": f"https://login.example/lo/reset?ticket={uuid.uuid4().hex}"})


PART = "([^/]+)"
REALM = f"/admin/realms/{PART}"
API = "/api/v2"
ROUTES = [
    ("POST", f"/realms/{PART}/protocol/openid-connect/token", IdentityServer.keycloak_token),
    ("GET", "/admin/realms", IdentityServer.list_realms),
    ("POST", "/admin/realms", IdentityServer.create_realm),
    ("GET", REALM, IdentityServer.read_realm),
    ("PUT", REALM, IdentityServer.update_realm),
    ("DELETE", REALM, IdentityServer.delete_realm),
    ("GET", f"{REALM}/clients", IdentityServer.list_clients),
    ("POST", f"{REALM}/clients", IdentityServer.create_client),
    ("GET", f"{REALM}/clients/{PART}", IdentityServer.read_client),
    ("GET", f"{REALM}/users", IdentityServer.list_users),
    ("POST", f"{REALM}/users", IdentityServer.create_user),
    ("PUT", f"{REALM}/users/{PART}/execute-actions-email", IdentityServer.execute_actions_email),
    ("GET", f"{REALM}/organizations", IdentityServer.list_organizations),
    ("POST", f"{REALM}/organizations", IdentityServer.create_organization),
    ("GET", f"{REALM}/organizations/members/{PART}/organizations", IdentityServer.organizations_of_member),
    ("GET", f"{REALM}/organizations/{PART}", IdentityServer.read_organization),
    ("POST", f"{REALM}/organizations/{PART}/members", IdentityServer.add_organization_member),
    ("POST", "/oauth/token", IdentityServer.auth0_token),
    ("GET", f"{API}/connections", IdentityServer.list_connections),
    ("GET", f"{API}/organizations/name/{PART}", IdentityServer.organization_by_name),
    ("POST", f"{API}/organizations", IdentityServer.create_auth0_organization),
    ("DELETE", f"{API}/organizations/{PART}", IdentityServer.delete_auth0_organization),
    ("GET", f"{API}/organizations/{PART}/enabled_connections", IdentityServer.list_enabled_connections),
    ("POST", f"{API}/organizations/{PART}/enabled_connections", IdentityServer.enable_connection),
    ("POST", f"{API}/organizations/{PART}/members", IdentityServer.add_member),
    ("GET", f"{API}/users-by-email", IdentityServer.users_by_email),
    ("POST", f"{API}/users", IdentityServer.create_auth0_user),
    ("GET", f"{API}/users/{PART}", IdentityServer.read_auth0_user),
    ("DELETE", f"{API}/users/{PART}", IdentityServer.delete_auth0_user),
    ("GET", f"{API}/users/{PART}/organizations", IdentityServer.organizations_of_user),
    ("POST", f"{API}/tickets/password-change", IdentityServer.password_ticket),
]


@contextmanager
def identity_server() -> Iterator[IdentityServer]:
    """A fake that runs until the block ends."""
    fake = IdentityServer()
    with running(fake.server):
        yield fake
