"""Columns of the back-office that show money and days as the PDF of an invoice does."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from django.utils.formats import date_format
from unfold.decorators import display

from billing.money import shown
from billing.periods import local_date


def money(amount: str, description: Any, *, currency: str = "currency_code", ordering: str | None = None) -> Callable:
    """The attribute `amount` with its currency, whose code is found at `currency`, a path with dots."""

    @display(description=description, ordering=ordering)
    def column(self, obj):
        return shown(getattr(obj, amount), attrgetter(currency)(obj))

    return column


def day(moment: str, description: Any) -> Callable:
    """The day of BILLING_TIME_ZONE on which the attribute `moment` lies."""

    @display(description=description, ordering=moment)
    def column(self, obj):
        at = getattr(obj, moment)
        return None if at is None else date_format(local_date(at))

    return column
