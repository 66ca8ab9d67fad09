"""What part of a period's price belongs to part of its days. Pure functions.

Prices are cut by one running function, so that however often a period is cut, its parts add up to the whole.
"""

import datetime
from decimal import Decimal

from billing.money import rounded


def used(price: Decimal, currency: str, *, start: datetime.date, end: datetime.date, until: datetime.date) -> Decimal:
    """What of the price for `start` to `end` belongs to the days before `until`."""
    return for_days(price, currency, days=min(max(until, start), end) - start, of=end - start)


def unused(price: Decimal, currency: str, *, start: datetime.date, end: datetime.date, since: datetime.date) -> Decimal:
    """What of the price belongs to the days from `since` on: the rest of `used`."""
    return price - used(price, currency, start=start, end=end, until=since)


def for_days(price: Decimal, currency: str, *, days: datetime.timedelta, of: datetime.timedelta) -> Decimal:
    """What comes to as much a day for `days` as the price does for the days it is `of`."""
    return rounded(price * days.days / of.days, currency)
