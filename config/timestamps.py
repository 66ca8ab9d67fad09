"""Moments of PostgreSQL, read in C: what Django and psycopg do in Python for each takes ten times as long."""

from datetime import UTC, datetime

from django.db.backends.postgresql.psycopg_any import BaseTzLoader, get_adapters_template


class Moment(BaseTzLoader):
    """ISO 8601 as PostgreSQL writes it, in the connection's time zone, which Django sets to UTC."""

    timezone = UTC

    def load(self, data):
        return datetime.fromisoformat(str(data, "ascii"))


get_adapters_template(True, UTC).register_loader("timestamptz", Moment)
