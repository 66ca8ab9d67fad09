"""A whole service in processes of its own, for tests that must not share one with it."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.processes import Process
from tests.running import is_up, stopping
from tests.servers import free_port

PATIENCE = 60
UNSET = ("EVENT_CONNECTOR", "EVENT_DELIVERY", "NODE_ENV", "DB_HOST", "REDIS_HOST", "REDIS_DATABASE")


def environment(**values: str) -> dict[str, str]:
    """The environment of an embedded installation, changed by `values`."""
    return os.environ | dict.fromkeys(UNSET, "") | values


def manage(*arguments: str, **values: str) -> subprocess.CompletedProcess:
    """Run `manage.py` with these variables on top of the embedded default."""
    with tempfile.TemporaryDirectory(prefix="tenantry-manage-") as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        status = Process("manage.py", *arguments, env=environment(**values), out=out, err=err).wait()
        return subprocess.CompletedProcess(arguments, status, out.read_text(), err.read_text())


@contextmanager
def served(**values: str) -> Iterator[str]:
    """The address of `manage.py serve`, running until the block ends."""
    with serving(WEB_CONCURRENCY="1", **values) as (process, url):
        yield url
        process.terminate()
        assert process.wait(PATIENCE) == 0


@contextmanager
def serving(**values: str) -> Iterator[tuple[Process, str]]:
    """`manage.py serve` as it is started from a terminal, a process group of its own, and its address."""
    port = str(free_port())
    url = f"http://127.0.0.1:{port}"
    with stopping(Process("manage.py", "serve", env=environment(PORT=port, **values), leader=True)) as process:
        wait_until(lambda: process.poll() is None and is_up(url))
        yield process, url


def wait_until(condition, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
