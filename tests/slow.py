"""Services of others that take their time."""

import time
from typing import ClassVar

from django.db import connection

from identity.providers.base import Step
from identity.providers.memory import MemoryProvider
from leads.challenges.base import Challenge


class Doorman(Challenge):
    """Lets everybody in."""

    def passes(self, response, address):
        time.sleep(2)
        return True


class Registrar(MemoryProvider):
    def set_up(self, attempt):
        time.sleep(2)
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
