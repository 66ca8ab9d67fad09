"""Keeps what it publishes in a list of this process: for tests."""

from typing import Any

from provisioning.connectors.base import Connector


class MemoryConnector(Connector):
    def __init__(self):
        self.published: list[dict[str, Any]] = []
        self.failures: list[Exception] = []
        """Raised one by one, before anything is published again."""

    def publish(self, message):
        if self.failures:
            raise self.failures.pop(0)
        self.published.append(message)
