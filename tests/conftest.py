"""Fixtures: callers of the API, and the world around the service."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import django_ratelimit.core
import hypothesis
import jsonschema
import pytest
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.core.cache import caches
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from billing import generation
from config.signing import users_signature, webhook_signature
from identity.models import User
from identity.permissions import ALL_CODES
from identity.roles import make_roles
from identity.tokens import mint
from leads.models import Lead
from leads.verification import lead_token
from provisioning import connectors
from provisioning.connectors.memory import MemoryConnector
from provisioning.delivery import claim, deliver
from provisioning.models import Delivery, ProvisioningRun
from provisioning.schemas import event_schema
from tenants.models import Tenant
from tests.browser import chromium, visit  # noqa: F401  (fixtures; imported elsewhere each would be another browser)
from tests.cloud import aws, cloud  # noqa: F401  (fixtures)
from tests.make import make_lead, make_tenant, make_user

EVENT = jsonschema.Draft202012Validator(event_schema(), format_checker=jsonschema.FormatChecker())
STAFF_ID = "0b9a1c3e-5d52-4c0a-9f0e-3f7f5a1c2d3e"
# The same examples in every run, so that one that fails does so where it was written; others are looked for with
# --hypothesis-profile=random.
hypothesis.settings.register_profile("random", deadline=None)
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_configure():
    # Each test's client loads the middleware anew, and whitenoise would list every static file each time.
    settings.WHITENOISE_AUTOREFRESH = True
    # Limits count in minutes and hours of the clock, of which none is to end in the middle of a test.
    django_ratelimit.core.time = SimpleNamespace(time=lambda: 0)
    # What has failed is tried again when a test says so, and not before, however slow the machine is.
    settings.EVENT_BACKOFF_BASE = timedelta(minutes=1)


def pytest_runtest_setup(item):
    if connection.vendor != "postgresql" and item.get_closest_marker("postgresql"):
        pytest.skip("needs PostgreSQL")


class Caller:
    """Somebody who calls the API over HTTP with one token; answers are Django's, with `.json()`."""

    def __init__(self, token: str | None = None):
        self.token = token
        self.client = Client(raise_request_exception=False)

    def request(self, method: str, path: str, body: Any = None, **headers: str):
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        if self.token is not None:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        content_type = headers.pop("content_type", "application/json" if content else "")
        return self.client.generic(method, path, content, content_type=content_type, headers=headers)

    def get(self, path: str, **query: Any):
        """GET; a `filter` or `where` that is an object is sent as JSON."""
        parameters = {
            key: value if isinstance(value, str | list) else json.dumps(value) for key, value in query.items()
        }
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.client.get(path, parameters, headers=headers)

    def post(self, path: str, body: Any = None, **headers: str):
        return self.request("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None):
        return self.request("PATCH", path, body)

    def put(self, path: str, body: Any = None):
        return self.request("PUT", path, body)

    def delete(self, path: str):
        return self.request("DELETE", path)


@pytest.fixture
def anyone() -> Caller:
    return Caller()


@pytest.fixture
def caller_with() -> Callable[..., Caller]:
    """A service with just these permission codes."""

    def make(*codes: str, subject: str = STAFF_ID) -> Caller:
        return Caller(mint(subject=subject, permissions=codes, lifetime=timedelta(minutes=5)))

    return make


@pytest.fixture
def staff(caller_with) -> Caller:
    """Somebody with every permission."""
    return caller_with(*ALL_CODES)


@pytest.fixture
def caller_for() -> Callable[[Lead], Caller]:
    """A lead with its own token."""
    return lambda lead: Caller(lead_token(lead))


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(lead=make_lead())


@pytest.fixture
def lead(tenant, caller_for) -> Caller:
    """The lead that `tenant` came from."""
    return caller_for(tenant.lead)


def browser_of(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def office(client):
    """A superuser's browser."""
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def as_role(client) -> Callable[[str], Client]:
    """The browser of somebody new in a role."""
    make_roles(Group, Permission)

    def login(role: str):
        user = make_user(is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        client.force_login(user)
        return client

    return login


@pytest.fixture(autouse=True)
def nothing_left_over(request):
    """Neither in the caches, nor the connectors that another test had in its settings."""
    caches["sums"].clear()  # with Redis, the other is in it too; without, it is a table
    if request.node.get_closest_marker("django_db"):
        caches["default"].clear()
    connectors.active.cache_clear()


@pytest.fixture
def bus() -> MemoryConnector:
    """What was published, and what to fail with."""
    connectors.active.cache_clear()
    found = connectors.active()["memory"]
    assert isinstance(found, MemoryConnector)
    return found


def deliver_all() -> None:
    """Deliver all that is due, in this thread, so that it sees the test's transaction."""
    while claimed := claim(100):
        for delivery in claimed:
            deliver(delivery)


def open_run(tenant_id: Any) -> ProvisioningRun:
    return ProvisioningRun.objects.open().get(tenant_id=tenant_id)


def due_now() -> None:
    """Let every waiting delivery be tried at once, as if its wait or its lease had ended."""
    Delivery.objects.filter(state=Delivery.State.PENDING).update(next_attempt_on=timezone.now())


def bus_states() -> list[tuple[str, int]]:
    rows = Delivery.objects.filter(destination="bus:memory").order_by("id")
    return [(delivery.event.type, delivery.state) for delivery in rows]


@pytest.fixture
def relayed(bus) -> Callable[[], list[dict[str, Any]]]:
    """Deliver all that is due; the events that were published so far."""

    def published():
        deliver_all()
        for message in bus.published:
            EVENT.validate(json.loads(json.dumps(message)))
        return bus.published

    return published


def at_once(count: int, action: Callable[[int], Any]) -> list[Any]:
    """The results of `action(0)` … `action(count - 1)`, begun at the same moment in threads of their own."""
    barrier = threading.Barrier(count)

    def run(number: int):
        try:
            barrier.wait(timeout=30)
            return action(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def signed(run: ProvisioningRun, body: bytes, *, timestamp: int | None = None) -> dict[str, str]:
    """The headers of a callback."""
    moment = str(timestamp if timestamp is not None else int(timezone.now().timestamp() * 1000))
    signature = webhook_signature(secret=run.secret, body=body, context=str(run.context), timestamp=moment)
    return {"x-signature": signature, "x-timestamp": moment}


def users_signed(run: ProvisioningRun, body: bytes) -> dict[str, str]:
    """The headers of a call of /manage/users."""
    moment = str(int(time.time() * 1000))
    return {"x-signature": users_signature(secret=run.secret, body=body, timestamp=moment), "x-timestamp": moment}


def report(run: ProvisioningRun, *, type: int | None = None, **data: Any) -> bytes:
    """The body of a callback for `run`, a success unless said otherwise."""
    content = {"status": 1, "resources": [], "appPlaneUrl": "https://acme.example.com", **data}
    kind = type if type is not None else int(run.kind)
    return json.dumps({"initiatorId": str(run.tenant_id), "type": kind, "data": content}).encode()


def call_back(run: ProvisioningRun, body: bytes | None = None, **headers: str):
    """POST a callback; correctly signed unless `headers` say otherwise."""
    content = report(run) if body is None else body
    return Caller().post("/webhook", content, **(headers or signed(run, content)))


def users_body(run: ProvisioningRun, *, provider: str = "memory", **changes: Any) -> bytes:
    """The body of a call of /manage/users, as a provisioner makes it from the event; `changes` to its tenant."""
    tenant = Tenant.everything.get(id=run.tenant_id)
    contacts = [
        {"firstName": c.first_name, "lastName": c.last_name, "email": c.email, "isPrimary": c.is_primary}
        for c in tenant.contacts.all()
    ]
    said = {"id": str(tenant.id), "name": tenant.name, "key": tenant.key, "contacts": contacts}
    content = {"tenant": {**said, "identityProvider": provider, **changes}, "plan": {"tier": run.tier}}
    return json.dumps(content).encode()


def call_users(run: ProvisioningRun, body: bytes | None = None, **changes: Any):
    """POST /manage/users, correctly signed."""
    content = users_body(run, **changes) if body is None else body
    return Caller().post("/manage/users", content, **users_signed(run, content))


def assert_error(response, status: int, *, code: str | None = None) -> dict[str, Any]:
    """That the answer is an error of CONTRACT section 11; its inside."""
    assert response.status_code == status, response.content
    error = response.json()["error"]
    assert error["statusCode"] == status
    assert error["name"].endswith("Error")
    assert isinstance(error["message"], str)
    assert error["message"]
    assert ("details" in error) == (status == 422)
    if code is not None:
        assert error["code"] == code.upper()
    return error


@pytest.fixture
def clock(monkeypatch):
    """Sets the time that billing sees: `clock(date)`."""

    def set_to(day: date) -> None:
        moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        monkeypatch.setattr("django.utils.timezone.now", lambda: moment)

    return set_to


def generate(day: date) -> int:
    """Invoice what is due by `day`; the number of invoices."""
    return sum(generation.generate(day, pdf=False, jobs=1, actor=None))
