"""Whether a tenant key is free, and what else could be taken."""

from config.errors import BadRequest
from tenants.models import KEY, KEY_LENGTH, Tenant

SUGGESTIONS = 3


def look_up(key: str) -> tuple[bool, list[str]]:
    """Whether `key` is free now, and where it is not, up to three like it that are. One statement.

    The constraint decides, when the tenant is made. Raises BadRequest for what can be no key.
    """
    if not KEY.fullmatch(key):
        raise BadRequest(f"A key is 1 to {KEY_LENGTH} lower-case letters and digits.", code="pattern")
    endings = ["hq", "app", *(str(number) for number in range(2, 10))]
    others = dict.fromkeys(key[: KEY_LENGTH - len(ending)] + ending for ending in endings)
    taken = set(Tenant.objects.filter(key__in=[key, *others]).values_list("key", flat=True))
    if key not in taken:
        return True, []
    return False, [other for other in others if other not in taken][:SUGGESTIONS]
