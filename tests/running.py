"""Processes of the service that share the database of the caller."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from tests.processes import ROOT, Process
from tests.receiver import SECRET


def variables(bus: str, **values: str) -> dict[str, str]:
    """The environment of processes that share the caller's database and publish to `bus`."""
    from django.db import connection

    return os.environ | {
        "LOG_LEVEL": "error", "DB_DATABASE": connection.settings_dict["NAME"], "EVENT_CONNECTOR": "http",
        "EVENT_HTTP_URL": bus, "EVENT_HTTP_SECRET": SECRET, "EVENT_LEASE": "3", "EVENT_BACKOFF_MAX": "2000", **values,
    }  # fmt: skip


@contextmanager
def process(*arguments: str, env: dict[str, str]) -> Iterator[subprocess.Popen]:
    """A process that is stopped when the block ends, the hard way if it must be."""
    with stopping(subprocess.Popen([sys.executable, *arguments], env=env, cwd=ROOT, stdout=subprocess.DEVNULL)) as it:
        yield it


@contextmanager
def stopping(started: subprocess.Popen | Process) -> Iterator[subprocess.Popen | Process]:
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def relaying(bus: str, **values: str):
    """A relay in a process of its own."""
    return stopping(Process("manage.py", "relay", env=variables(bus, **values)))


def web(port: int, *, workers: int, env: dict[str, str]):
    """The web server in a process of its own, with so many workers."""
    return process("-m", "config.server", env=env | {"PORT": str(port), "WEB_CONCURRENCY": str(workers)})


def is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=5).ok
    except requests.RequestException:
        return False
