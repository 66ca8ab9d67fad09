"""A run of invoices: chunk by chunk until nothing is due, with the PDFs where they are wanted, by several processes.

Nothing is kept between chunks but in the database, so a run that was killed is simply run again.
"""

import datetime
import uuid
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, wait

from django.db import connection

from billing import documents, renewals
from config.workers import pool


def generate(today: datetime.date, *, pdf: bool, jobs: int, actor: uuid.UUID | None) -> Iterator[int]:
    """Invoice all that is due by `today`; yields the number of invoices of each chunk when it is committed.

    At most `jobs` processes share the work, no more than there are chunks; where rows cannot be skipped (SQLite) it is
    this one. Memory does not grow with the number of subscriptions.
    """
    chunks = -(-renewals.due(today).count() // renewals.CHUNK)
    jobs = min(jobs, chunks) if connection.features.has_select_for_update_skip_locked else 1
    if jobs <= 1:
        while (count := bill_chunk(today, pdf, actor)) is not None:
            yield count
        return
    with pool(jobs) as processes:
        running = {processes.submit(bill_chunk, today, pdf, actor) for _ in range(jobs)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                if (count := each.result()) is not None:
                    running.add(processes.submit(bill_chunk, today, pdf, actor))
                    yield count


def bill_chunk(today: datetime.date, pdf: bool, actor: uuid.UUID | None) -> int | None:
    """A chunk, and after its commit its PDFs; the number of invoices, None when nothing is left."""
    invoices = renewals.bill_chunk(today, actor=actor)
    if invoices is None:
        return None
    if pdf:
        documents.make(invoices)
    return len(invoices)
