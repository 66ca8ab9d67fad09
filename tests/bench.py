"""`make bench`: the service as in production on this machine, driven by 16 connections; a table, JSON and a plot.

The operations are the reference's, named by the same letters. PostgreSQL commits durably, limits are counted in Redis
under a ceiling that nothing reaches, signatures are checked, the log is on, and one relay publishes every event.
"""

import argparse
import asyncio
import hashlib
import hmac
import itertools
import json
import os
import platform
import random
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote

os.environ["TENANTRY_DURABLE"] = "yes"
from tests import plots, servers
from tests.chaos import nothing_waits, process
from tests.load import CONNECTIONS, WRK, Connection, Measured, drive, repeat, request
from tests.topology import pgbouncer, standby
from tests.world import wait_until

REFERENCE = {  # requests/s (the best of its runs), p50 ms
    "a": (365, 42), "b": (498, 30), "c": (49, 312), "d": (489, 31), "e": (564, 26), "g": (1283, 11), "f": (107, 140),
    "fdeep": (21, 724), "h": (129, 118),
}  # fmt: skip
WANTED = {"a": 2, "b": 2, "c": 2, "d": 2, "e": 2, "g": 2, "f": 10, "fdeep": 10, "h": 3}
LOOP = 0.12
"""Seconds that three million `s += i * i` took where the reference was measured."""
TITLES = {
    "a": "POST /leads with address",
    "b": "POST /leads/{id}/verify",
    "c": "the whole flow",
    "d": "GET /tenants, 20 of 1,000",
    "e": "GET /tenants/{id}",
    "g": "POST /webhook, bad signature",
    "f": "20 tenants with contacts, of 100,000",
    "fdeep": "a random such page, newest first",
    "h": "GET /tenants/count, 100,000",
}
OUTPUT = Path("build/bench")


def loop_seconds(tries: int = 5) -> float:
    """How long this machine takes for what LOOP says of the reference's: the best of some tries."""
    best = float("inf")
    for _ in range(tries):
        begun, s = time.perf_counter(), 0
        for i in range(3_000_000):
            s += i * i
        best = min(best, time.perf_counter() - begun)
    return best


# --- The service and what is around it -------------------------------------------------------------------------------


class Sink:
    """Where events and mails go: answers 204 or 250, and keeps the secrets of provisioning runs."""

    def __init__(self):
        self.secrets: dict[str, tuple[str, str]] = {}

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                body = await reader.readexactly(length)
                if b'"type":"TENANT_PROVISIONING"' in body:
                    event = json.loads(body)
                    self.secrets[event["tenant"]["id"]] = (event["secret"], event["context"])
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        try:
            while line := await reader.readline():
                command = line[:4].upper()
                if command == b"DATA":
                    writer.write(b"354 go on\r\n")
                    await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"221 bye\r\n" if command == b"QUIT" else b"250 ok\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    @contextmanager
    def listening(self, http: int, smtp: int) -> Iterator[None]:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(asyncio.start_server(self.http, "127.0.0.1", http, limit=2**20))
        loop.run_until_complete(asyncio.start_server(self.smtp, "127.0.0.1", smtp, limit=2**20))
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


def production(folder: str, port: int, http: int, smtp: int) -> dict[str, str]:
    from cryptography.fernet import Fernet

    return os.environ | {
        "NODE_ENV": "prod", "VAR_DIR": folder, "PORT": str(port), "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "DJANGO_SECRET_KEY": "b" * 64, "ENCRYPTION_KEYS": Fernet.generate_key().decode(), "LOG_LEVEL": "info",
        "EVENT_CONNECTOR": "http", "EVENT_HTTP_URL": f"http://127.0.0.1:{http}/", "EVENT_DELIVERY": "relay",
        "EVENT_HTTP_SECRET": "whsec_YmVuY2htYXJrLXNpZ25pbmctc2VjcmV0LWJlbmNobWFyaw==",
        "EMAIL_URL": f"smtp://127.0.0.1:{smtp}", "LEAD_KEY_IN_RESPONSE": "true",
        "LEAD_TOKEN_EXPIRY": "86400", "VALIDATION_TOKEN_EXPIRY": "86400000",
    } | dict.fromkeys(
        ("PUBLIC_API_MAX_ATTEMPTS", "WEBHOOK_API_MAX_ATTEMPTS", "SIGN_UPS_PER_EMAIL", "SIGN_UPS_PER_DOMAIN"),
        "100000000",
    )  # fmt: skip


class Memory:
    """The PSS, CPU seconds and number of a process and all its descendants, by /proc."""

    def __init__(self, root: int):
        self.root = root

    def processes(self) -> list[int]:
        found, new = [self.root], [self.root]
        while new:
            new = [
                int(child)
                for pid in new
                for path in Path(f"/proc/{pid}/task").glob("*/children")
                for child in path.read_text().split()
            ]
            found += new
        return found

    def commands(self) -> dict[int, str]:
        return {pid: Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in self.processes()}

    def web(self) -> list[int]:
        return [pid for pid, command in self.commands().items() if "config.server" in command]

    def relay(self) -> list[int]:
        return [pid for pid, command in self.commands().items() if command.rstrip().endswith(" relay")]

    @staticmethod
    def pss(pids: list[int]) -> float:
        """MB."""
        kilobytes = 0
        for pid in pids:
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    kilobytes += int(line.split()[1])
        return kilobytes / 1024

    @staticmethod
    def cpu(pids: list[int]) -> float:
        ticks = 0
        for pid in pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


# --- The operations --------------------------------------------------------------------------------------------------


class Operations:
    def __init__(self, url: str, sink: Sink, token: str, seconds: float):
        self.url, self.sink, self.seconds = url, sink, seconds
        self.bearer = {"authorization": f"Bearer {token}"}
        self.numbers = itertools.count(random.randrange(10**9) * 1000)

    def get(self, path: str) -> Measured:
        return repeat(self.url, path, headers=self.bearer, expected=200, seconds=self.seconds)

    def lead(self) -> bytes:
        number = next(self.numbers)
        body = {
            "firstName": "Ada", "lastName": "Lovelace", "companyName": "Acme Ltd", "email": f"ada@b{number}.example",
            "address": {"address": "1 High Street", "city": "London", "state": "London", "zip": "W1", "country": "GB"},
        }  # fmt: skip
        return request("POST", "/leads", json.dumps(body).encode())

    async def ask(self, connection: Connection, raw: bytes, expected: int = 200) -> dict:
        status, body = await connection.send(raw)
        assert status == expected, f"{status} {body[:300]!r}"
        return json.loads(body) if body else {}

    def a(self) -> Measured:
        async def work(connection: Connection) -> None:
            await self.ask(connection, self.lead())

        return drive(self.url, work, self.seconds)

    def b(self) -> Measured:
        leads: list[dict] = []

        async def collect(connection: Connection) -> None:
            leads.append(await self.ask(connection, self.lead()))

        async def work(connection: Connection) -> None:
            lead = leads.pop()
            raw = request("POST", f"/leads/{lead['id']}/verify", authorization=f"Bearer {lead['key']}")
            await self.ask(connection, raw)

        drive(self.url, collect, self.seconds * 2)
        wait_until(nothing_waits, 300)
        return drive(self.url, work, min(self.seconds, len(leads) / 500))

    def c(self) -> Measured:
        async def work(connection: Connection) -> None:
            number = next(self.numbers) % 10**9
            domain = f"c{number}.example"
            body = {"firstName": "Ada", "lastName": "L", "companyName": "Acme", "email": f"ada@{domain}"}
            lead = await self.ask(connection, request("POST", "/leads", json.dumps(body).encode()))
            raw = request("POST", f"/leads/{lead['id']}/verify", authorization=f"Bearer {lead['key']}")
            bearer = {"authorization": f"Bearer {(await self.ask(connection, raw))['token']}"}
            body = json.dumps({"key": f"{number:x}", "domains": [domain]}).encode()
            tenant = await self.ask(connection, request("POST", f"/leads/{lead['id']}/tenants", body, **bearer))
            id = tenant["id"]
            body = json.dumps({"planId": self.plan}).encode()
            await self.ask(connection, request("POST", f"/tenants/{id}/provision", body, **bearer), 204)
            waited = time.perf_counter()
            while id not in self.sink.secrets:
                assert time.perf_counter() - waited < 20, "the event did not arrive"
                await asyncio.sleep(0.002)
            secret, context = self.sink.secrets.pop(id)
            report = {"status": 1, "resources": [{"type": "s3", "metadata": {"bucket": id}}], "appPlaneUrl": ""}
            body = json.dumps({"initiatorId": id, "type": 0, "data": report}).encode()
            moment = str(int(time.time() * 1000))
            signature = hmac.new(secret.encode(), body + f"{context}{moment}".encode(), hashlib.sha256).hexdigest()
            await self.ask(
                connection, request("POST", "/webhook", body, x_signature=signature, x_timestamp=moment), 204
            )

        return drive(self.url, work, self.seconds)

    def d(self) -> Measured:
        return self.get("/tenants?filter=%7B%22limit%22%3A20%7D")

    def e(self) -> Measured:
        return self.get(f"/tenants/{self.tenant}")

    def f(self) -> Measured:
        return self.get("/tenants?filter=%7B%22limit%22%3A20%2C%22include%22%3A%5B%22contacts%22%5D%7D")

    def fdeep(self) -> Measured:
        async def work(connection: Connection) -> None:
            query = {"limit": 20, "skip": random.randrange(99_900), "order": "createdOn DESC", "include": ["contacts"]}
            await self.ask(connection, request("GET", f"/tenants?filter={quote(json.dumps(query))}", **self.bearer))

        return drive(self.url, work, self.seconds)

    def g(self) -> Measured:
        body = json.dumps({"initiatorId": str(self.open_tenant), "type": 0, "data": {"status": 1}}).encode()

        async def work(connection: Connection) -> None:
            moment = str(int(time.time() * 1000))
            await self.ask(connection, request("POST", "/webhook", body, x_signature="0" * 64, x_timestamp=moment), 401)

        return drive(self.url, work, self.seconds)

    def h(self) -> Measured:
        return self.get("/tenants/count")


def seed(first: int, last: int, **kwargs) -> None:
    """What `grow` of tests/test_growth.py makes, and then what autovacuum would do in time."""
    from django.db import connection

    from tests.test_growth import grow

    with connection.cursor() as cursor:
        # A million rows are made in a third of the time where each index is built once, and no foreign key is checked.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("SET maintenance_work_mem = '512MB'")
        cursor.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = ANY (%s) "
            "AND indexname NOT IN (SELECT conname FROM pg_constraint)",
            [["addresses", "leads", "tenants", "contacts", "resources", "invoices"]],
        )
        indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        grow(first, last, **kwargs)
        for _, definition in indexes:
            cursor.execute(definition)
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("RESET session_replication_role")


def prepare(stack: ExitStack, ports: list[int]) -> tuple[dict[str, str], Sink]:
    """The environment of the service, with Django set up in it and the tables made; and where its events go."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="tenantry-bench-"))
    environment = production(folder, *ports)
    os.environ |= environment | {"DJANGO_SETTINGS_MODULE": "config.settings"}
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)
    sink = Sink()
    stack.enter_context(sink.listening(*ports[1:]))
    return environment, sink


def serve(stack: ExitStack, environment: dict[str, str]) -> subprocess.Popen:
    """`manage.py serve`, which answers."""
    service = stack.enter_context(process("manage.py", "serve", env=environment))
    url = f"http://127.0.0.1:{environment['PORT']}/readyz"
    wait_until(lambda: subprocess.run(["curl", "-fs", url], capture_output=True).returncode == 0)
    return service


def postmaster() -> int:
    """The process id of PostgreSQL."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)::int")
        return cursor.fetchone()[0]


def staff_token() -> str:
    from identity.permissions import ALL_CODES
    from identity.tokens import mint

    return mint(subject=uuid.uuid4(), permissions=ALL_CODES, lifetime=timedelta(days=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--only", default="", help="letters, comma-separated")
    parser.add_argument("--pooler", action="store_true", help="the service is behind PgBouncer")
    parser.add_argument("--replica", action="store_true", help="lists come from a standby")
    options = parser.parse_args()
    only = options.only.split(",") if options.only else list(TITLES)
    ports = [servers.free_port() for _ in range(3)]
    with ExitStack() as stack:
        environment, sink = prepare(stack, ports)
        from billing.models import Plan
        from provisioning.requests import request_provisioning
        from tenants.models import Tenant

        if options.pooler:
            environment |= stack.enter_context(pgbouncer("postgres", schema="main", size=20))
        if options.replica:
            port = str(stack.enter_context(standby()).port)
            environment |= {"DB_REPLICA_HOST": "127.0.0.1", "DB_REPLICA_PORT": port}
        service = serve(stack, environment)
        operations = Operations(f"http://127.0.0.1:{ports[0]}", sink, staff_token(), options.seconds)
        operations.plan = str(
            Plan.objects.create(
                name="Basic", tier="BASIC", price=10, currency_code="EUR", billing_cycle="MONTHLY", is_self_service=True
            ).id
        )
        seed(1, 1_000)
        waiting = Tenant.objects.filter(status=1).first()
        request_provisioning(tenant_id=waiting.id, subscription={"id": "s", "plan": {"tier": "BASIC"}}, actor=None)
        operations.open_tenant, operations.tenant = waiting.id, Tenant.objects.filter(status=0).first().id
        found = {}
        memory, database = Memory(service.pid), Memory(postmaster())
        for letter in TITLES:
            if letter == "f" and {"f", "fdeep", "h"} & set(only):
                seed(1_001, 100_000)
            if letter not in only:
                continue
            web, relay = memory.web(), memory.relay()
            loop = loop_seconds(3)
            before = memory.cpu(web), memory.cpu(relay), database.cpu(database.processes())
            measured = getattr(operations, letter)()
            found[letter] = asdict(measured) | {
                "web_cpu": memory.cpu(web) - before[0],
                "relay_cpu": memory.cpu(relay) - before[1],
                "database_cpu": database.cpu(database.processes()) - before[2],
                "web_pss": memory.pss(web),
                "relay_pss": memory.pss(relay),
            }
            found[letter]["loop"] = (loop + loop_seconds(3)) / 2
            print(row(letter, found[letter]), flush=True)
            wait_until(nothing_waits, 300)  # what an operation left to the relay slows no other
        write(found, options.seconds)


def times_the_reference(letter: str, measured: dict) -> float:
    """How often what the reference would do on this machine, at the speed that it had around the operation."""
    return measured["rate"] / (REFERENCE[letter][0] * LOOP / measured["loop"])


def row(letter: str, measured: dict) -> str:
    return (
        f"{letter:6}{TITLES[letter]:38}{measured['rate']:9.0f}/s {measured['p50']:8.1f} ms {measured['p99']:8.1f} ms"
        f"  {times_the_reference(letter, measured):5.2f} times of {WANTED[letter]:2}  loop {measured['loop']:.2f} s"
        f"  web {measured['web_cpu']:5.1f} s {measured['web_pss']:4.0f} MB"
        f"  relay {measured['relay_cpu']:5.1f} s {measured['relay_pss']:4.0f} MB  db {measured['database_cpu']:5.1f} s"
        + (f"  {measured['errors']} ERRORS {measured['first_error']}" if measured["errors"] else "")
    )


def write(found: dict, seconds: float) -> None:
    write_json("bench.json", seconds=seconds, operations=found)
    bars = [
        (letter, [("reference", 1), ("wanted", WANTED[letter]), ("measured", times_the_reference(letter, measured))])
        for letter, measured in found.items()
    ]
    plots.write(OUTPUT / "bench.svg", "Requests a second, as a multiple of the reference's on this machine", bars)


def write_json(name: str, **content) -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    machine = {
        "date": date.today().isoformat(), "python": platform.python_version(), "cores": os.cpu_count(),
        "driver": "wrk" if WRK else "python", "connections": CONNECTIONS,
    }  # fmt: skip
    (OUTPUT / name).write_text(json.dumps(machine | content, indent=2))


if __name__ == "__main__":
    main()
