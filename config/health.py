"""Whether this process can do its work. Apps above add what they know to PROBES when they start."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from config import replica
from config.cache import FAILURES

PROBES: dict[str, Callable[[], Any]] = {}
"""name → a function that returns something to show, or raises Unready."""


class Unready(Exception):
    """The process must not be given work now; the text says why."""


def database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        raise Unready("The database does not answer.") from error
    return "ok"


def migrations() -> str:
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise Unready("Migrations are missing: run manage.py migrate.")
    return "ok"


def shared_cache() -> str:
    try:
        cache.set("readyz", "ok", 10)
        if cache.get("readyz") != "ok":
            raise Unready("The cache forgets.")
    except FAILURES as error:
        raise Unready("The cache does not answer.") from error
    return "ok"


PROBES |= {"database": database, "migrations": migrations, "cache": shared_cache}
if settings.DB_REPLICA_HOST:
    PROBES["replica"] = replica.state


def report() -> tuple[bool, dict[str, Any]]:
    """Whether all is well, and what each probe found. After a dead database nothing that needs it is asked."""
    found: dict[str, Any] = {}
    for name, probe in PROBES.items():
        try:
            found[name] = probe()
        except Unready as error:
            found[name] = str(error)
            return False, found
    return True, found
