"""Billing periods: whole days in BILLING_TIME_ZONE, from the first to the day before the next period's first.

A period's end is the start of the next, so periods never overlap and leave no hole. Pure functions but for the zone.
"""

import calendar
import datetime
from zoneinfo import ZoneInfo

from django.conf import settings

ONE_DAY = datetime.timedelta(days=1)


def zone() -> ZoneInfo:
    return ZoneInfo(settings.BILLING_TIME_ZONE)


def local_date(moment: datetime.datetime) -> datetime.date:
    """The day in BILLING_TIME_ZONE on which `moment` lies; the calendar's first or last where it has no such day."""
    try:
        return moment.astimezone(zone()).date()
    except OverflowError:
        return datetime.date.min if moment.year == datetime.MINYEAR else datetime.date.max


def day_begin(moment: datetime.datetime) -> datetime.datetime:
    """The moment at which the day began in BILLING_TIME_ZONE on which `moment` lies, in UTC."""
    return midnight(local_date(moment))


def midnight(day: datetime.date) -> datetime.datetime:
    """The moment at which `day` begins in BILLING_TIME_ZONE, in UTC."""
    return datetime.datetime.combine(day, datetime.time(), zone()).astimezone(datetime.UTC)


def period_end(start: datetime.date, *, months: int, anchor_day: int) -> datetime.date:
    """The first day after the period of `months` that begins on `start`.

    It is the `anchor_day` of its month, or the last day of a shorter one: January 31, February 28, March 31.
    """
    years, month = divmod(start.month - 1 + months, 12)
    year, month = start.year + years, month + 1
    first = datetime.date(year, month, 1)
    return first.replace(day=day_in_month(first, anchor_day))


def day_in_month(month: datetime.date, anchor_day: int) -> int:
    """`anchor_day`, or the last day of a shorter `month`."""
    return min(anchor_day, calendar.monthrange(month.year, month.month)[1])
