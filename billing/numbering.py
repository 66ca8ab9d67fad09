"""Numbers without a gap: one counter for each series and year (of BILLING_TIME_ZONE)."""

import datetime

from django.db import connection, transaction

from billing.models import NumberSeries
from billing.periods import local_date


def take(series: str, count: int, *, now: datetime.datetime) -> list[str]:
    """The next `count` numbers of `series`, such as INV-2026-000001, in order.

    They are the caller's transaction's: rolled back, they are free again. Until it ends the counter is locked, so this
    is the last thing to do before the numbers are written. Raises TransactionManagementError outside a transaction.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("A number is taken in the transaction that writes it.")
    year = local_date(now).year
    table = connection.ops.quote_name(NumberSeries._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (series, year, last) VALUES (%s, %s, %s) "  # noqa: S608  (a table of ours)
            f"ON CONFLICT (series, year) DO UPDATE SET last = {table}.last + excluded.last RETURNING last",
            [series, year, count],
        )
        last = cursor.fetchone()[0]
    return [f"{series}-{year}-{number:06d}" for number in range(last - count + 1, last + 1)]
