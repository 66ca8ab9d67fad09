"""The example of an identity provider in CONTRIBUTING.md works as it stands there."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.management import call_command

from identity import providers
from tests.conftest import assert_error, call_users
from tests.flaky import running
from tests.processes import ROOT
from tests.test_identity import a_run, fresh_providers  # noqa: F401  (the fixture)


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
def test_the_example_in_contributing_works(tmp_path, settings, monkeypatch):
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## Add an identity provider")[2]
    (tmp_path / "acme_identity.py").write_text(text.partition("```python\n")[2].partition("```")[0])
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
