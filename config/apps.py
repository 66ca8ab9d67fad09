"""The project as an app: what has to stand before and after the migrations."""

from django.apps import AppConfig
from django.conf import settings
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection, connections
from django.db.models.signals import post_migrate, pre_migrate

from config.cache import DatabaseCache


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self):
        from config import arrays, checks, lookups  # noqa: F401  (they register themselves)

        if connection.vendor == "postgresql":
            from config import timestamps  # noqa: F401  (likewise)

        pre_migrate.connect(create_schema, sender=self)
        post_migrate.connect(create_cache_table, sender=self)


def create_schema(using: str, **_):
    """DB_SCHEMA has to exist, and be where tables go, before the first one is made.

    Raises ImproperlyConfigured where a pooler leads elsewhere.
    """
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {connection.ops.quote_name(settings.DB_SCHEMA)}")
            cursor.execute("SELECT current_schema()")
            (found,) = cursor.fetchone()
        if found != settings.DB_SCHEMA:
            raise ImproperlyConfigured(
                f"DB_SCHEMA is {settings.DB_SCHEMA}, and tables would go into {found}. Behind PgBouncer its "
                f"[databases] line needs connect_query='SET search_path TO {settings.DB_SCHEMA}'."
            )


def create_cache_table(using: str, **_):
    if isinstance(caches["default"], DatabaseCache):
        call_command("createcachetable", database=using, verbosity=0)
