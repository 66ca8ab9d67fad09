"""The relay: delivers what is due, until it is told to stop. Any number may run beside each other on PostgreSQL."""

import logging
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from django.conf import settings
from django.db import OperationalError, connection

from identity.models import IdempotentRequest
from provisioning.delivery import claim, deliver
from provisioning.models import Delivery
from provisioning.offboarding import begin_after_grace
from provisioning.requests import fail_overdue_runs

logger = logging.getLogger("tenantry.delivery")
POLL_SECONDS = 0.5
RECONCILE_SECONDS = 60


def run(stop: threading.Event, *, once: bool = False) -> int:
    """Deliver until `stop` is set, then let the attempts under way end; the number of attempts.

    `once` returns when nothing is due any more. A database that is away is waited for.
    """
    attempts = 0
    running: set[Future] = set()
    reconciled = 0.0
    with ThreadPoolExecutor(settings.RELAY_CONCURRENCY, thread_name_prefix="relay") as pool:
        while not stop.is_set():
            running = {future for future in running if not future.done()}
            try:
                if not once and time.monotonic() - reconciled > RECONCILE_SECONDS:
                    reconciled = time.monotonic()
                    IdempotentRequest.prune()
                    begin_after_grace()
                    for tenant_id in fail_overdue_runs():
                        logger.warning("the provisioning of tenant %s has failed: no callback in time", tenant_id)
                claimed = claim(settings.RELAY_CONCURRENCY - len(running)) if _free(running) else []
            except OperationalError as error:
                logger.error("the database is away: %s", error)
                connection.close()
                stop.wait(2)
                continue
            for delivery in claimed:
                future = pool.submit(_attempt, delivery)
                running.add(future)
                attempts += 1
            if claimed:
                continue
            if running:
                wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            elif once:
                break
            else:
                stop.wait(POLL_SECONDS)
    return attempts


def _free(running: set[Future]) -> bool:
    return len(running) < settings.RELAY_CONCURRENCY


def _attempt(delivery: Delivery) -> None:
    try:
        deliver(delivery)
    except Exception:
        # A defect, or the database going away: nobody waits for this thread, so it is said here. The lease ends.
        logger.exception("delivery %s broke off", delivery.id)
        raise
    finally:
        connection.close()
