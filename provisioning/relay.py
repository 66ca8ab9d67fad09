"""The relay: delivers what is due, until it is told to stop. Any number may run beside each other on PostgreSQL."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.conf import settings
from django.db import OperationalError, connection

from config import cache
from config.mail import hang_up
from identity import tokens
from identity.models import IdempotentRequest
from provisioning.delivery import Outcome, attempt, claim, record, renew
from provisioning.metrics import ATTEMPTS
from provisioning.models import Delivery
from provisioning.offboarding import begin_after_grace
from provisioning.requests import fail_overdue_runs

logger = logging.getLogger("tenantry.delivery")
POLL_SECONDS = 0.5
"""How long at most what becomes due waits for a claim."""
SOON_SECONDS = 0.02
"""How long it does while more is coming: from there the pause doubles with each claim that finds nothing."""
MAINTENANCE_SECONDS = 60


def run(stop: threading.Event, *, once: bool = False) -> int:
    """Deliver until `stop` is set, then let the attempts under way end; the number of attempts.

    The threads only call out; this one claims, renews leases and records, for all of them at a time. What happens each
    minute has a thread too, since a lease may end while a chore lasts. `once` returns when nothing is due any more. A
    database that is away is waited for.
    """
    attempts = 0
    running: dict[Future[Outcome], Delivery] = {}
    maintained, renewed, pause = 0.0, 0.0, SOON_SECONDS
    maintenance: Future[None] | None = None
    with (
        ThreadPoolExecutor(settings.RELAY_CONCURRENCY, thread_name_prefix="relay") as pool,
        ThreadPoolExecutor(1, thread_name_prefix="maintenance") as chores,
    ):
        while running or not stop.is_set():
            stopping = stop.is_set()
            try:
                _record_ended(running)
                if time.monotonic() - renewed > settings.EVENT_LEASE.total_seconds() / 3:
                    renew(running.values())
                    renewed = time.monotonic()
                is_idle = maintenance is None or maintenance.done()
                if not (once or stopping) and is_idle and time.monotonic() - maintained > MAINTENANCE_SECONDS:
                    maintained = time.monotonic()
                    maintenance = chores.submit(_maintain)
                free = settings.RELAY_CONCURRENCY - len(running)
                # A claim costs two statements whatever it finds: it waits until half of the hands are free.
                claimed = claim(free) if 2 * free >= settings.RELAY_CONCURRENCY and not stopping else []
            except OperationalError as error:
                if stopping:
                    raise
                logger.error("the database is away: %s", error)
                connection.close()
                stop.wait(2)
                continue
            running |= {pool.submit(_attempt, delivery): delivery for delivery in claimed}
            attempts += len(claimed)
            pause = SOON_SECONDS if claimed else min(2 * pause, POLL_SECONDS)
            if running:
                wait(running, timeout=pause, return_when=FIRST_COMPLETED)
                continue
            if once:
                break
            pool.submit(hang_up)  # there a server that does not answer holds nothing up
            stop.wait(pause)
        pool.submit(hang_up)
    return attempts


def _record_ended(running: dict[Future[Outcome], Delivery]) -> None:
    """Record the attempts that have ended and take them out of `running`; of a defect the lease ends by itself."""
    ended = [future for future in running if future.done()]
    outcomes = [future.result() for future in ended if future.exception() is None]
    record(outcomes)
    for outcome in outcomes:
        ATTEMPTS.labels(outcome.delivery.destination, outcome.state.word).inc()
    for future in ended:
        del running[future]


def _attempt(delivery: Delivery) -> Outcome:
    try:
        return attempt(delivery)
    except Exception:
        # A defect, or the database going away: nobody reads this future's exception, so it is said here.
        logger.exception("delivery %s broke off", delivery.id)
        raise
    finally:
        connection.close()


def _maintain() -> None:
    try:
        maintain()
    finally:
        connection.close()


def maintain() -> None:
    """What has to happen by itself, each minute."""
    for chore in MAINTENANCE:
        try:
            chore()
        except Exception:
            # A defect, or the database going away: it is said here, and keeps neither the others nor deliveries.
            logger.exception("%s broke off", chore.__name__)


def _fail_overdue_runs() -> None:
    for tenant_id in fail_overdue_runs():
        logger.warning("the provisioning of tenant %s has failed: no callback in time", tenant_id)


MAINTENANCE: list[Callable[[], object]] = [
    cache.prune,
    IdempotentRequest.prune,
    tokens.prune,
    begin_after_grace,
    _fail_overdue_runs,
]
"""Functions that repair, begin or prune. Apps above add what is theirs when they start."""
