"""The whole journey over HTTP, the same on the embedded default and on PostgreSQL, behind PgBouncer, with Redis."""

import json
import os
import re
from collections.abc import Iterator
from email import message_from_bytes, policy

import psycopg
import pytest
import requests
from django.core.management import CommandError, call_command

from tests.processes import ROOT
from tests.topology import PGBOUNCER, pgbouncer
from tests.world import manage, served, wait_until


@pytest.fixture(params=["sqlite", "postgresql"])
def variables(request, tmp_path) -> Iterator[dict[str, str]]:
    common = {"VAR_DIR": str(tmp_path), "DEMO_BUILD_SECONDS": "0", "PUBLIC_API_MAX_ATTEMPTS": "10"}
    if request.param == "sqlite":
        yield common
        return
    name = f"journey_{os.getpid()}"
    with psycopg.connect(
        host=os.environ["DB_HOST"], port=os.environ["DB_PORT"], user="postgres", autocommit=True
    ) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name}")
        connection.execute(f"CREATE DATABASE {name}")
    common |= {
        "DB_HOST": os.environ["DB_HOST"], "DB_DATABASE": name, "DB_SCHEMA": "tenantry_x",
        "REDIS_HOST": os.environ["REDIS_HOST"], "REDIS_DATABASE": "0",
    }  # fmt: skip
    if not PGBOUNCER:
        yield common
        return
    with pgbouncer(name, schema="tenantry_x") as pooler:
        yield common | pooler


def test_from_the_sign_up_to_the_active_tenant(variables, tmp_path):
    with served(**variables) as url:
        journey(url, tmp_path, manage("issue_token", "--permissions", "all", **variables).stdout.strip())


def journey(url: str, folder, staff_token: str) -> None:
    def call(method: str, path: str, body=None, token: str | None = None, expect: int = 200):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = requests.request(method, url + path, json=body, headers=headers, timeout=20)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    def mails(subject: str):
        parsed = [
            message_from_bytes(path.read_bytes(), policy=policy.default) for path in (folder / "mail").glob("*.eml")
        ]
        return [mail for mail in parsed if subject in str(mail["subject"])]

    assert call("GET", "/readyz")["status"] == "ok"
    body = {
        "firstName": "Wanda", "lastName": "Źródłowska", "companyName": "緑 Ltd", "email": "Wanda@Acme.example",
        "address": {"city": "Gdynia", "country": "PL"},
    }  # fmt: skip
    lead = call("POST", "/leads", body)
    wait_until(lambda: mails("Confirm"))
    key = re.search(r"\?code=(\w+)", mails("Confirm")[0].get_body(("plain",)).get_content())[1]
    token = call("POST", f"/leads/{lead['id']}/verify", token=key)["token"]
    call("POST", f"/leads/{lead['id']}/verify", token=key, expect=401)
    tenant = call("POST", f"/leads/{lead['id']}/tenants", {"key": "acme", "domains": ["acme.example"]}, token)
    assert (tenant["name"], tenant["status"]) == ("緑 Ltd", 1)
    path = f"/tenants/{tenant['id']}"
    offer = {"name": "Premium", "tier": "PREMIUM", "price": 199, "currencyCode": "EUR"}
    made = call("POST", "/plans", offer, staff_token)
    (plan,) = call("GET", "/plans")
    assert plan["id"] == made["id"]
    call("POST", f"{path}/provision", {"planId": plan["id"]}, token, expect=204)
    wait_until(lambda: call("GET", path, token=token)["status"] == 0)
    wait_until(lambda: mails("緑 Ltd is ready"))
    full = call("GET", f'{path}?filter={{"include":["resources","contacts","lead"]}}', token=token)
    assert len(full["resources"]) == 2
    assert full["contacts"][0]["lastName"] == "Źródłowska"
    assert full["lead"]["id"] == lead["id"]

    invoice = {
        "startDate": "2026-01-01T00:00:00Z", "endDate": "2026-02-01T00:00:00Z", "dueDate": "2026-01-15T00:00:00Z",
        "amount": 120.5, "currencyCode": "EUR", "tenantId": tenant["id"],
    }  # fmt: skip
    id = call("POST", "/invoices", invoice, staff_token)["id"]
    call("PATCH", f"/invoices/{id}", {"status": "PAID"}, staff_token, expect=204)
    where = f'{{"where":{{"amount":{{"between":[120.49,120.51]}},"id":"{id}"}}}}'
    assert [found["status"] for found in call("GET", f"/invoices?filter={where}", token=staff_token)] == [1]
    for where, count in (
        ({"name": {"like": "緑%"}}, 1),
        ({"name": {"ilike": "%LTD"}}, 1),
        ({"name": {"like": "%ltd"}}, 0),
    ):
        query = requests.Request("GET", url, params={"where": str(where).replace("'", '"')}).prepare().url
        assert call("GET", f"/tenants/count?{query.partition('?')[2]}", token=staff_token) == {"count": count}

    call("POST", f"{path}/suspend", token=staff_token, expect=204)
    call("POST", f"{path}/resume", token=staff_token, expect=204)
    call("POST", f"{path}/deprovision", token=staff_token, expect=204)
    wait_until(
        lambda: requests.get(url + path, headers={"Authorization": f"Bearer {token}"}, timeout=20).status_code == 404
    )

    # 10 a minute; 25 fill two windows even when one ends meanwhile.
    assert 429 in [requests.post(f"{url}/leads", json=body, timeout=20).status_code for _ in range(25)]


IDLE = {
    "STAFF_PASSWORD", "DJANGO_SUPERUSER_USERNAME", "DJANGO_SUPERUSER_PASSWORD", "AWS_ENDPOINT_URL", "DB_REPLICA_PORT",
    "FILES_S3_PREFIX",
}  # fmt: skip
"""Variables that a service without staff, AWS and a replica does not heed."""


def test_the_demo_takes_nothing_over_from_an_installation_and_does_not_wait_for_what_has_died(monkeypatch, tmp_path):
    """In the place of manage.py stands what writes its environment down and ends."""
    (tmp_path / "manage.py").write_text(
        f"import json, os, pathlib; pathlib.Path({str(tmp_path / 'seen')!r}).write_text(json.dumps(dict(os.environ)))"
    )
    table = (ROOT / "README.md").read_text().partition("## Settings")[2].partition("## Further")[0]
    ours = {name for row in re.findall(r"^\| (`.+?) \|", table, re.M) for name in re.findall(r"[A-Z][A-Z0-9_]+", row)}
    for name in ours:
        monkeypatch.setenv(name, "of the installation")
    monkeypatch.setattr("sys.argv", [str(tmp_path / "manage.py")])
    with pytest.raises(CommandError, match="has ended"):
        call_command("demo")
    seen = json.loads((tmp_path / "seen").read_text())
    assert {name for name in ours if seen[name] == "of the installation"} <= IDLE
