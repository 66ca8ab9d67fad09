"""What every payment gateway has in common."""

import datetime
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing.models import Invoice


class NotificationRefused(Exception):
    """A notification is not the gateway's, or cannot be read; its text says why. Answered with 401."""


@dataclass(frozen=True)
class Receipt:
    """Money that a gateway has received for invoice `number`, in the invoice's currency.

    `reference` is the gateway's own, unique for ever: a receipt that comes again is recorded once.
    """

    number: str
    amount: Decimal
    currency_code: str
    reference: str
    date: datetime.datetime | None = None


class PaymentGateway(ABC):
    """Takes payments on a page of its own; nothing of a card ever comes here.

    Made once a process, without arguments; the constructor raises ImproperlyConfigured for a setting that is missing.
    """

    @abstractmethod
    def payment_url(self, invoice: Invoice) -> str | None:
        """Where `invoice` is paid, for its mail; None where there is no such page. No transaction is open."""

    @abstractmethod
    def receipts(self, headers: Mapping[str, str], body: bytes) -> Sequence[Receipt]:
        """What a notification of the gateway tells of, its signature checked over the raw `body`.

        Raises NotificationRefused. May be called more than once with the same.
        """
