"""Keys of tenants: whether one is free, and what a company could take."""

import re
import unicodedata

from config.domains import readable_domain
from config.errors import BadRequest
from leads.mail_domains import is_public
from leads.models import Lead
from tenants.models import KEY, KEY_LENGTH, Tenant

SUGGESTIONS = 3
ENDINGS = ("hq", "app", *(str(number) for number in range(2, 10)))
LEGAL_FORMS = frozenset("ab ag as bv co corp gmbh inc kg limited llc ltd oy plc sa sarl se spa srl ug".split())  # noqa: SIM905  (easier to read)


def look_up(key: str) -> tuple[bool, list[str]]:
    """Whether `key` is free now, and where it is not, up to three like it that are. One statement.

    The constraint decides, when the tenant is made. Raises BadRequest for what can be no key.
    """
    if not KEY.fullmatch(key):
        raise BadRequest(f"A key is 1 to {KEY_LENGTH} lower-case letters and digits.", code="pattern")
    free = _free([key, *_like(key)])
    return key in free, [] if key in free else free[:SUGGESTIONS]


def propose(lead: Lead) -> list[str]:
    """Free keys for the lead's company, the best first: its name, part of it, its mail domain. One statement."""
    words = _words(lead.company_name)
    while len(words) > 1 and words[-1] in LEGAL_FORMS:
        words.pop()
    domain = readable_domain(lead.email_domain)
    host = [] if is_public(lead.email_domain) else ["".join(_words(domain.split(".")[0]))]
    names = ["".join(words), *words[:1], *host, "".join(word[0] for word in words)]
    keys = [name[:KEY_LENGTH] for name in names if len(name) > 1] or ["team"]
    return _free([*keys, *_like(keys[0])])[: 1 + SUGGESTIONS]


def _words(text: str) -> list[str]:
    """The words of `text` as far as they can be written in a-z and 0-9."""
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return re.findall(r"[a-z0-9]+", plain)


def _like(key: str) -> list[str]:
    return [key[: KEY_LENGTH - len(ending)] + ending for ending in ENDINGS]


def _free(keys: list[str]) -> list[str]:
    taken = set(Tenant.objects.filter(key__in=keys).values_list("key", flat=True))
    return [key for key in dict.fromkeys(keys) if key not in taken]
