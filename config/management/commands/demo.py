"""`manage.py demo`: the whole journey over HTTP, against a service and a database made for it and thrown away after."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from standardwebhooks import Webhook

from config import env

PATIENCE = 30  # seconds that anything may take
WHSEC = "whsec_ZGVtby1zaWduaW5nLXNlY3JldC1vZi10aGUtZGVtbw=="
PLAN = {
    "name": "Premium", "tier": "PREMIUM", "price": 199, "currencyCode": "EUR", "billingCycle": "MONTHLY",
    "sizeConfig": {"cpu": 8},
}  # fmt: skip


class Command(BaseCommand):
    help = "Run the whole journey against a throw-away service, and print each step."

    def handle(self, **options):
        with tempfile.TemporaryDirectory(prefix="tenantry-demo-") as folder, _sink() as (bus, events):
            self.folder, self.events = Path(folder), events
            port = _free_port()
            self.url = f"http://127.0.0.1:{port}"
            self.environment = os.environ | dict.fromkeys(env.NAMES, "") | {
                "VAR_DIR": folder, "DB_PATH": "", "PORT": str(port), "WEB_CONCURRENCY": "1", "LOG_LEVEL": "error",
                "EVENT_CONNECTOR": "local,http", "EVENT_HTTP_URL": bus, "EVENT_HTTP_SECRET": WHSEC,
            }  # fmt: skip
            self.service = subprocess.Popen(
                [sys.executable, sys.argv[0], "serve"], env=self.environment, stdout=subprocess.DEVNULL
            )
            try:
                self.journey()
            finally:
                self.service.terminate()
                self.service.wait(PATIENCE)

    def journey(self) -> None:
        self.wait_for("the service", self.is_up)
        self.say(f"{settings.APP_NAME} runs at {self.url}, on a database of its own")
        plan = self.call("POST", "/plans", PLAN, token=self.service_token())
        lead = self.call("POST", "/leads", {
            "firstName": "Ada", "lastName": "Lovelace", "companyName": "Acme Ltd", "email": "ada@acme.example",
            "address": {"city": "London", "country": "GB"},
        })  # fmt: skip
        mail = self.mail("Confirm")
        key = re.search(r"\?code=(\w+)", mail)
        if key is None:
            raise CommandError("The mail has no link with a key.")
        verified = self.call("POST", f"/leads/{lead['id']}/verify", token=key[1])
        token = verified["token"]
        tenant = self.call(
            "POST", f"/leads/{lead['id']}/tenants", {"key": "acme", "domains": ["acme.example"]}, token=token
        )
        address = f"/tenants/{tenant['id']}"
        self.call("POST", f"{address}/provision", {"planId": plan["id"]}, token=token)
        self.wait_for("the event", lambda: any(event["type"] == "TENANT_PROVISIONING" for event in self.events))
        event = next(event for event in self.events if event["type"] == "TENANT_PROVISIONING")
        shown = {**event, "secret": f"{event['secret'][:4]}…", "tenant": {"id": tenant["id"], "key": "acme"}}
        self.say("Event, as the bus received it", shown)
        self.say("The demo provisioner builds, and calls the signed webhook")
        self.wait_for("the tenant", lambda: self.quiet(address, token)["status"] == 0)
        self.mail("is ready")
        final = self.call("GET", f"{address}?filter={json.dumps({'include': ['resources']})}", token=token)
        self.wait_for("its event", lambda: any(e["type"] == "TENANT_PROVISIONING_SUCCESS" for e in self.events))
        self.say(f"Events on the bus: {', '.join(event['type'] for event in self.events)}")
        if final["status"] != 0 or len(final["resources"]) != 2:
            raise CommandError("The tenant is not ACTIVE with its resources.")
        self.say(f"Tenant {final['name']} ({final['key']}) is ACTIVE.")

    def service_token(self) -> str:
        """What `manage.py issue_token` prints: a token that may create plans."""
        self.say("manage.py issue_token --permissions 7005")
        command = [sys.executable, sys.argv[0], "issue_token", "--permissions", "7005"]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout.strip()

    def say(self, text: str, data: Any = None) -> None:
        self.stdout.write(self.style.MIGRATE_HEADING(f"▸ {text}"))
        if data is not None:
            self.stdout.write(json.dumps(data, indent=2, ensure_ascii=False))
        self.stdout.flush()

    def is_up(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).ok
        except requests.ConnectionError:
            return False

    def wait_for(self, what: str, condition) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self.service.poll() is not None:
                raise CommandError("The service has ended.")
            if time.monotonic() > deadline:
                raise CommandError(f"Waited {PATIENCE} s for {what}, in vain.")
            time.sleep(0.1)

    def quiet(self, path: str, token: str) -> dict[str, Any]:
        answer = requests.get(self.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def call(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = requests.request(method, self.url + path, json=body, headers=headers, timeout=10)
        data = answer.json() if answer.content else None
        shown = {**data, "token": f"{data['token'][:12]}…"} if data and "token" in data else data
        self.say(f"{method} {path} → {answer.status_code}", shown)
        if not answer.ok:
            raise CommandError("This step should have succeeded.")
        return data or {}

    def mail(self, subject: str) -> str:
        """The text of the mail with `subject` in its subject, once it is there."""
        found: list[str] = []

        def arrived() -> bool:
            for path in sorted((self.folder / "mail").glob("*.eml")):
                mail = message_from_bytes(path.read_bytes(), policy=policy.default)
                if subject in str(mail["subject"]):
                    text = mail.get_body(("plain",))
                    found.append(text.get_content() if text else "")
                    self.say(f"Mail to {mail['to']}: {mail['subject']}")
                    self.stdout.write(found[-1].strip())
                    return True
            return False

        self.wait_for(f"a mail about {subject}", arrived)
        return found[-1]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _sink():
    """A receiver of Standard Webhooks: its address, and the list of the events whose signature held."""
    events: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            events.append(Webhook(WHSEC).verify(body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            """Nobody reads its log."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/events", events
        finally:
            server.shutdown()
