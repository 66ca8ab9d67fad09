"""The cache of an installation without Redis: Django's table, with a counter that several processes may share."""

import base64
import pickle

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.db import DatabaseCache as DjangoDatabaseCache
from django.db import DatabaseError, connections, router, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

REDIS_FAILURES = (import_string("redis.exceptions.RedisError"),) if settings.REDIS_URL else ()
FAILURES = (OSError, DatabaseError, *REDIS_FAILURES)
"""What a cache that is away raises."""
MOST_ENTRIES = 1_000_000


class DatabaseCache(DjangoDatabaseCache):
    """Django's database cache, made fit for rate limits, which count with `incr`.

    There Django's reads and writes in two steps, so that requests that arrive together would count as one, and lets the
    key live five minutes from then on. It also throws away what still holds where there are more than 300 entries.
    """

    def __init__(self, table, params):
        super().__init__(table, {"max_entries": MOST_ENTRIES, **params})

    def incr(self, key, delta=1, version=None):
        """Raises ValueError where there is no such key, as Django's."""
        database, table = self._place()
        connection, row = connections[database], self.make_and_validate_key(key, version=version)
        with transaction.atomic(using=database), connection.cursor() as cursor:
            if connection.features.has_select_for_update:  # SQLite has one writer at a time anyway
                cursor.execute(f"SELECT 1 FROM {table} WHERE cache_key = %s FOR UPDATE", [row])  # noqa: S608  (its own)
            count = self.get(key, version=version)
            if count is None:
                raise ValueError(f"There is no key {key!r}.")
            count += delta
            value = base64.b64encode(pickle.dumps(count, self.pickle_protocol)).decode()  # as Django reads it
            cursor.execute(f"UPDATE {table} SET value = %s WHERE cache_key = %s", [value, row])  # noqa: S608  (its own)
            return count

    def prune(self):
        """Delete what has expired."""
        database, table = self._place()
        connection = connections[database]
        now = connection.ops.adapt_datetimefield_value(timezone.now().replace(microsecond=0))
        with connection.cursor() as cursor:
            cursor.execute(f"DELETE FROM {table} WHERE expires < %s", [now])  # noqa: S608  (its own)

    def _place(self):
        database = router.db_for_write(self.cache_model_class)
        return database, connections[database].ops.quote_name(self._table)


def prune() -> None:
    """Delete what has expired in a cache that is a table; Redis does so by itself."""
    cache = caches["default"]
    if isinstance(cache, DatabaseCache):
        cache.prune()
