"""What there is on more than one machine, until the block ends: a pooler, a standby, several web servers and relays."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from django.db import connection

from tests.customers import journey_settings
from tests.receiver import Receiver, receiving
from tests.running import is_up, relaying, variables, web
from tests.servers import STARTED, free_port, owned_folder, owner, wait_for
from tests.world import wait_until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(
    PGBOUNCER is None, reason="PgBouncer IS NOT INSTALLED: nothing is tried behind a pooler (apt-get install pgbouncer)"
)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tenantry-topology-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield owned_folder(Path(name) / "own")


@contextmanager
def _running(command: list[str], folder: Path, port: int) -> Iterator[subprocess.Popen]:
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=subprocess.STDOUT, **owner())
    try:
        wait_for(port, process)
        yield process
    finally:
        process.send_signal(signal.SIGINT)  # PgBouncer and PostgreSQL: stop now, without waiting for clients
        process.wait()


@contextmanager
def pgbouncer(database: str, *, schema: str | None, size: int = 4) -> Iterator[dict[str, str]]:
    """PgBouncer in transaction mode, with `size` sessions on the suite's PostgreSQL; the variables that lead to it."""
    port = free_port()
    path = f" connect_query='SET search_path TO {schema}'" if schema else ""
    with _folder() as folder:
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n{database} = host=127.0.0.1 port={os.environ['DB_PORT']} user=postgres{path}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = any\nadmin_users = postgres\npool_mode = transaction\ndefault_pool_size = {size}\n"
            "max_client_conn = 1000\n"
        )
        with _running([PGBOUNCER, str(folder / "pgbouncer.ini")], folder, port):
            yield {
                "DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_POOLER": "transaction", "DB_DATABASE": database,
                "DB_SCHEMA": schema or "public",
            }  # fmt: skip


class Standby:
    """A hot standby of the suite's PostgreSQL."""

    def __init__(self, port: int, process: subprocess.Popen):
        self.port, self.process = port, process

    def psql(self, statement: str) -> str:
        with psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", autocommit=True) as session:
            found = session.execute(statement).fetchone()
        return str(found[0])

    def accepts(self) -> bool:
        try:
            return self.psql("SELECT pg_is_in_recovery()") == "True"
        except psycopg.OperationalError:
            return False

    def wait_for_replay(self) -> None:
        """Until it shows all that is committed now."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn()")
            (position,) = cursor.fetchone()
        wait_until(lambda: self.psql(f"SELECT pg_last_wal_replay_lsn() >= '{position}'") == "True")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


@contextmanager
def standby() -> Iterator[Standby]:
    """A second cluster, made by pg_basebackup and fed by streaming replication."""
    binaries, port = Path(os.environ[STARTED]), free_port()
    with _folder() as folder:
        data = folder / "data"
        subprocess.run(
            [binaries / "pg_basebackup", "-h", "127.0.0.1", "-p", os.environ["DB_PORT"], "-U", "postgres", "-R",
             "-D", data, "-c", "fast", "--no-sync"], check=True, capture_output=True, cwd=folder, **owner(),
        )  # fmt: skip
        options = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off",
            "max_connections": 300,
        }  # fmt: skip
        command = [str(binaries / "postgres"), "-D", str(data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with _running(command, folder, port) as process:
            made = Standby(port, process)
            wait_until(made.accepts)
            yield made


@contextmanager
def side_by_side(folder: Path, **settings: str) -> Iterator[tuple[list[str], Receiver]]:
    """Two web servers on two addresses and two relays on the caller's database; the addresses, and the bus."""
    ports = [free_port(), free_port()]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    settings = {**journey_settings(urls[0], folder), "EVENT_DELIVERY": "relay", **settings}
    with receiving() as receiver, ExitStack() as stack:
        for port in ports:
            stack.enter_context(web(port, workers=1, env=variables(receiver.url, **settings)))
        for _ in range(2):
            stack.enter_context(relaying(receiver.url, **settings))
        wait_until(lambda: all(is_up(url) for url in urls))
        yield urls, receiver
