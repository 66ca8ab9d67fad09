"""Services of others that take their time."""

import time
import uuid
from pathlib import Path
from typing import ClassVar

from django.conf import settings
from django.db import connection

from identity.providers.base import Step
from identity.providers.memory import MemoryProvider
from leads.challenges.base import Challenge

WAITING, OPEN = "waiting-*", "open"
"""Files in VAR_DIR: one for each that waits, and the one by which the test ends it."""


def wait() -> None:
    folder = Path(settings.VAR_DIR)
    (folder / WAITING.replace("*", uuid.uuid4().hex)).touch()
    while not (folder / OPEN).exists():
        time.sleep(0.02)


class Doorman(Challenge):
    """Lets everybody in."""

    def passes(self, response, address):
        wait()
        return True


class Registrar(MemoryProvider):
    def set_up(self, attempt):
        wait()
        return super().set_up(attempt)


class Watched(MemoryProvider):
    """Notes of each call whether it is waited for with a connection to the database."""

    connected: ClassVar[list[bool]] = []

    def steps(self, client, tenant, memory):
        def look() -> None:
            self.connected.append(connection.connection is not None)

        def do() -> str:
            memory.keep(password="hush")
            look()
            return "made"

        yield Step("realm", "realm", look=look, do=do, shared=True)
        return (yield from super().steps(client, tenant, memory))
