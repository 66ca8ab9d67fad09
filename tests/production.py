"""The service as in production on this machine, what it talks to, and what its processes take: for the benchmarks."""

import asyncio
import json
import os
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from tests.running import process
from tests.world import wait_until


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
        "LEAD_TOKEN_EXPIRY": "86400", "WEBHOOK_TIMESTAMP_TOLERANCE": "600", "VALIDATION_TOKEN_EXPIRY": "86400000",
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
