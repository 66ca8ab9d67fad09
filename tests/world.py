"""A whole service in processes of its own, for tests that must not share one with it."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from tests.processes import Process
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
    port = str(free_port())
    process = Process("manage.py", "serve", env=environment(PORT=port, WEB_CONCURRENCY="1", **values), leader=True)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is None and _is_up(url))
        yield url
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=5).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


def wait_until(condition, patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
