"""The lookups of the query language (CONTRACT section 5) that Django lacks, the same on PostgreSQL and SQLite."""

from django.db.models import CharField, Field, Lookup
from django.db.models.functions import Lower

CharField.register_lookup(Lower)  # `email__lower`: what a unique index on lower(email) can answer


class _Pattern(Lookup):
    """% stands for any text and _ for any character; a backslash takes their meaning away."""

    prepare_rhs = False
    operator: str

    def as_sql(self, compiler, connection):
        left, params = self.process_lhs(compiler, connection)
        return f"{left} {self.operator} %s ESCAPE '\\'", [*params, self.rhs]


@Field.register_lookup
class Like(_Pattern):
    lookup_name = "like"
    operator = "LIKE"

    def as_sqlite(self, compiler, connection):
        """SQLite's LIKE ignores the case; its GLOB does not."""
        left, params = self.process_lhs(compiler, connection)
        return f"{left} GLOB %s", [*params, _glob(self.rhs)]


@Field.register_lookup
class CaseInsensitiveLike(_Pattern):
    lookup_name = "ilike"
    operator = "ILIKE"

    def as_sqlite(self, compiler, connection):
        left, params = self.process_lhs(compiler, connection)
        return f"{left} LIKE %s ESCAPE '\\'", [*params, self.rhs]


def _glob(pattern: str) -> str:
    result, escaped = [], False
    for character in pattern:
        if character == "\\" and not escaped:
            escaped = True
            continue
        if not escaped and character in "%_":
            result.append("*" if character == "%" else "?")
        else:
            result.append(f"[{character}]" if character in "*?[" else character)
        escaped = False
    return "".join(result)
