"""Services of others that take their time."""

import time

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
