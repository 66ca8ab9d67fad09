"""How what is no longer needed is deleted: whatever has gathered, no statement holds many rows, or for long."""

from django.db.models import QuerySet

AT_ONCE = 1_000


def delete_in_batches(rows: QuerySet) -> int:
    """Delete `rows`, AT_ONCE in a statement, until there are none; how many, with what hung on them."""
    deleted = 0
    while batch := list(rows.values_list("pk", flat=True)[:AT_ONCE]):
        deleted += rows.model._base_manager.filter(pk__in=batch).delete()[0]
    return deleted
