"""The cache of an installation without Redis: Django's table, with a counter that several processes may share."""

from django.conf import settings
from django.core.cache.backends.db import DatabaseCache as DjangoDatabaseCache
from django.db import DatabaseError, connections, router, transaction
from django.utils.module_loading import import_string

REDIS_FAILURES = (import_string("redis.exceptions.RedisError"),) if settings.REDIS_URL else ()
FAILURES = (OSError, DatabaseError, *REDIS_FAILURES)
"""What a cache that is away raises."""


class DatabaseCache(DjangoDatabaseCache):
    """Django's database cache, whose `incr` reads and writes in two steps, made atomic by a lock on the row.

    Rate limits count with `incr`: without the lock, requests that arrive together would count as one.
    """

    def incr(self, key, delta=1, version=None):
        database = router.db_for_write(self.cache_model_class)
        with transaction.atomic(using=database):
            connection = connections[database]
            if connection.features.has_select_for_update:  # SQLite has one writer at a time anyway
                with connection.cursor() as cursor:
                    cursor.execute(
                        f"SELECT 1 FROM {connection.ops.quote_name(self._table)} WHERE cache_key = %s FOR UPDATE",  # noqa: S608  (its own)
                        [self.make_and_validate_key(key, version=version)],
                    )
            return super().incr(key, delta, version)
