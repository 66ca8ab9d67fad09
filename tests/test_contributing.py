"""The examples of a connector and of an identity provider in CONTRIBUTING.md work as they stand there."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command

from identity import providers
from provisioning import connectors
from provisioning.models import Delivery
from tenants.models import TenantStatus
from tests.conftest import assert_error, call_users, deliver_all, due_now
from tests.flaky import running
from tests.make import make_tenant
from tests.processes import ROOT
from tests.test_identity import a_run, fresh_providers  # noqa: F401  (the fixture)


class Timeout(Exception):
    pass


class TooLarge(Exception):
    pass


class NatsClient(ModuleType):
    """What the connector in CONTRIBUTING.md publishes by."""

    Timeout, TooLarge = Timeout, TooLarge

    def __init__(self):
        super().__init__("nats_client")
        self.published, self.failures = [], []

    def connect(self, url, *, timeout):
        assert (url, timeout) == ("nats://acme.example", 5)
        return self

    def publish(self, subject, content):
        if self.failures:
            raise self.failures.pop(0)
        self.published.append((subject, json.loads(content)["type"]))


def example(heading: str) -> str:
    """The Python beneath a heading of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition(f"## {heading}\n")[2]
    return text.partition("```python\n")[2].partition("```")[0]


@pytest.mark.django_db
def test_the_example_of_a_connector_works_and_each_connector_gets_a_delivery(
    bus, tmp_path, settings, monkeypatch, staff
):
    (tmp_path / "acme").mkdir()
    (tmp_path / "acme" / "nats.py").write_text(example("Add a connector"))
    monkeypatch.syspath_prepend(tmp_path)
    client = NatsClient()
    monkeypatch.setitem(sys.modules, "nats_client", client)
    monkeypatch.setenv("NATS_URL", "nats://acme.example")
    settings.EVENT_CONNECTORS = ["memory", "acme.nats.NatsConnector"]
    connectors.active.cache_clear()
    tenant = make_tenant(status=TenantStatus.ACTIVE)
    for move in ("suspend", "resume", "suspend"):
        assert staff.post(f"/tenants/{tenant.id}/{move}").status_code == 204
    client.failures = [Timeout(), TooLarge()]
    for _ in range(2):
        deliver_all()
        due_now()
    assert client.published == [
        ("tenantry.TENANT_RESUMED", "TENANT_RESUMED"), ("tenantry.TENANT_SUSPENDED", "TENANT_SUSPENDED"),
    ]  # fmt: skip
    told = Delivery.objects.filter(destination="bus:acme.nats.NatsConnector").order_by("id")
    assert list(told.values_list("state", "attempts", "last_error")) == [
        (Delivery.State.DEAD, 2, "The event is too large."), (Delivery.State.DELIVERED, 1, ""),
        (Delivery.State.DELIVERED, 1, ""),
    ]  # fmt: skip
    assert Delivery.objects.filter(destination="bus:memory", state=Delivery.State.DELIVERED).count() == 3


class AcmeServer(BaseHTTPRequestHandler):
    """What the provider in CONTRIBUTING.md speaks to."""

    users: dict[str, dict] = {}

    def do_GET(self):
        email = parse_qs(urlsplit(self.path).query).get("email", [""])[0]
        self.answer([user for user in self.users.values() if user["email"] == email])

    def do_POST(self):
        user = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.answer(self.users.setdefault(user["email"], {**user, "id": f"acme-{len(self.users)}"}))

    def answer(self, body):
        self.send_response(200 if self.headers["authorization"] == "Bearer t" else 401)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        """Nobody reads its log."""


@pytest.mark.django_db
def test_the_example_of_an_identity_provider_works(tmp_path, settings, monkeypatch):
    (tmp_path / "acme_identity.py").write_text(example("Add an identity provider"))
    monkeypatch.syspath_prepend(tmp_path)
    settings.IDENTITY_PROVIDERS = {"acme": "acme_identity.AcmeProvider"}
    run = a_run()
    assert "ACME_TOKEN" in assert_error(call_users(run, provider="acme"), 400)["message"]
    server = ThreadingHTTPServer(("127.0.0.1", 0), AcmeServer)
    with running(server):
        monkeypatch.setenv("ACME_URL", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("ACME_TOKEN", "wrong")
        assert "ACME_TOKEN" in assert_error(call_users(run, provider="acme"), 502)["message"]
        providers._make.cache_clear()
        monkeypatch.setenv("ACME_TOKEN", "t")
        call_command("check_identity", "acme", "--tenant", str(run.tenant_id))
        assert AcmeServer.users == {}
        assert call_users(run, provider="acme").json() == {"authId": "acme-0"}
    providers._make.cache_clear()
    assert_error(call_users(a_run(), provider="acme"), 503)
