"""What a connector is. Copy `log.py` or `http.py` to write one; CONTRIBUTING.md walks through it."""

from abc import ABC, abstractmethod
from typing import Any


class PublishError(Exception):
    """An event could not be published. `permanent` says that trying again cannot help.

    The text is kept with the delivery and shown to staff: it must hold no secret. What no database keeps of it, a NUL
    or half of a surrogate pair that the other side sent, is a question mark.
    """

    def __init__(self, message: str, *, permanent: bool = False):
        super().__init__(message.encode("utf-8", "replace").decode().replace("\x00", "?"))
        self.permanent = permanent


class Connector(ABC):
    """Publishes events. One instance serves all threads of a process for as long as that lives."""

    longest_attempt: int = 0
    """Seconds that `publish` may take at most, by its time-outs; a system check compares EVENT_LEASE. 0: not known.

    A relay renews the lease of an attempt that takes longer, inline delivery does not.
    """

    def takes(self, type: str) -> bool:
        """Whether events of this type concern the connector."""
        return True

    @abstractmethod
    def publish(self, message: dict[str, Any]) -> None:
        """Hand over one message (CONTRACT section 7), or raise PublishError.

        Called outside of any transaction, and possibly again with the same `id`. Must return: within EVENT_LEASE where
        EVENT_DELIVERY is inline, in a relay within ten minutes, or it is called again meanwhile.
        """
