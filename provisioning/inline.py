"""EVENT_DELIVERY=inline: an attempt right after the commit, in a thread of the process that made it.

What fails, and what dies with the process, is the relay's.
"""

import logging
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache

from django.conf import settings
from django.db import connection

from provisioning.delivery import claim, deliver

logger = logging.getLogger("tenantry.delivery")


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(settings.RELAY_CONCURRENCY, thread_name_prefix="inline-delivery")


def deliver_soon(subject: uuid.UUID) -> None:
    """Deliver what is due for `subject`, without making the caller wait."""
    _pool().submit(_deliver, subject).add_done_callback(_report)


def _deliver(subject: uuid.UUID) -> None:
    try:
        while claimed := claim(1, subject=subject):
            for delivery in claimed:
                deliver(delivery)
    finally:
        connection.close()


def _report(future: Future) -> None:
    if (error := future.exception()) is not None:
        logger.error("a delivery broke off; the relay takes it", exc_info=error)
