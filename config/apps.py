"""The project as an app: what has to stand before and after the migrations."""

from django.apps import AppConfig
from django.conf import settings
from django.core.cache import caches
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
    """DB_SCHEMA has to exist before the first table is put into it."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {connection.ops.quote_name(settings.DB_SCHEMA)}")


def create_cache_table(using: str, **_):
    if isinstance(caches["default"], DatabaseCache):
        call_command("createcachetable", database=using, verbosity=0)
