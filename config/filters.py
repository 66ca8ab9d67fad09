"""The query language of the lists (CONTRACT section 5): from the query string to a queryset.

The language is the reference's (LoopBack 4's filter), so no package speaks it. What a caller may name is what the
model's serializer shows: its concrete properties, and the relations registered on it. Anything else is a BadRequest
that names the offender.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from django.http import QueryDict
from rest_framework.exceptions import ParseError

from config.conditions import MAX_PATTERN, Operand, Serializers, property_field, quoted, where
from config.errors import BadRequest
from config.parsing import MAX_DEPTH, load_json, unstorable_path
from config.serializers import Selection, included_attribute

DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET = 100, 1000, 2**31 - 1
MAX_INCLUDES = MAX_WORDS = 16
DEEP = 5000
"""The offset from which on skipping rows costs more than looking the page's rows up once more."""
FILTER_KEYS = frozenset({"where", "fields", "include", "order", "limit", "skip", "offset"})
PLAIN_PARAMETERS = frozenset({"search", "ordering", "limit", "offset"})


@dataclass(frozen=True)
class Filter:
    """What a list was asked for."""

    where: Q
    order: tuple[str, ...]
    """Empty: the model's own."""
    limit: int | None
    offset: int
    selection: Selection
    include: Mapping[str, "Filter"]


def read_filter(query: QueryDict, serializer: Serializers, search_fields: tuple[str, ...] = ()) -> Filter:
    """The filter of a list or a get-by-id. Plain parameters win over what `filter` says."""
    result = _filter(_structured(query, "filter"), serializer, _Budget())
    result = replace(result, where=result.where & _plain_where(query, "filter", serializer, search_fields))
    if "ordering" in query:
        result = replace(result, order=_ordering(query["ordering"], serializer))
    if "limit" in query:
        result = replace(result, limit=_limit(query["limit"]))
    if "offset" in query:
        result = replace(result, offset=_offset(query["offset"], "offset"))
    return result


def must_be_of_one(wanted: Filter) -> None:
    """Raises BadRequest where a filter for a single object says what only a list can be asked for."""
    if wanted.where or wanted.limit or wanted.offset:
        raise BadRequest("Of a single object only fields and include can be chosen.")


def read_where(query: QueryDict, serializer: Serializers, search_fields: tuple[str, ...] = ()) -> Q:
    """The condition of a count or a bulk PATCH; empty (falsy) where none was given."""
    return where(_structured(query, "where"), serializer) & _plain_where(query, "where", serializer, search_fields)


def read_page(query: QueryDict) -> tuple[int, int]:
    """Limit and offset of a list that knows no other parameters."""
    for name in query:
        if name not in ("limit", "offset"):
            raise BadRequest(f"There is no parameter {quoted(name)}.")
    limit = _limit(query["limit"]) if "limit" in query else DEFAULT_LIMIT
    return limit, _offset(query.get("offset", "0"), "offset")


def apply(filter_: Filter, queryset: QuerySet, serializer: Serializers, principal) -> QuerySet:
    """`queryset` filtered and ordered, with the included relations, without limit and offset."""
    order = filter_.order or serializer.Meta.model._meta.ordering
    queryset = queryset.filter(filter_.where).order_by(*order)
    return queryset.prefetch_related(*prefetches(filter_, serializer, principal))


def page(queryset: QuerySet, offset: int, count: int) -> QuerySet:
    """`count` rows from `offset` on. Of a deep page only the ids of what is skipped are read, which an index has."""
    window = slice(offset, offset + count)
    if offset < DEEP:
        return queryset[window]
    return queryset.filter(pk__in=queryset.prefetch_related(None).values("pk")[window])


def prefetches(filter_: Filter, serializer: Serializers, principal) -> list[Prefetch]:
    """One statement for each included relation, however many rows, of what `principal` may know."""
    result = []
    for name, inner in filter_.include.items():
        relation = serializer.relations[name]
        related = relation.serializer.Meta.model.objects.visible_to(principal)
        queryset = apply(inner, related, relation.serializer, principal)
        if relation.many and (inner.offset or inner.limit is not None):
            queryset = queryset[inner.offset : None if inner.limit is None else inner.offset + inner.limit]
        result.append(Prefetch(relation.accessor, queryset=queryset, to_attr=included_attribute(name)))
    return result


# --- From text to structure ------------------------------------------------------------------------------------------


def _structured(query: QueryDict, name: str) -> dict[str, Any]:
    """The JSON of parameter `name`, or what its bracket form (`name[a][b]=c`) spells."""
    result: dict[str, Any] = {}
    if query.get(name, "").strip():
        try:
            value = load_json(query[name])
        except ParseError as error:
            raise BadRequest(f"{name} is malformed JSON.") from error
        if not isinstance(value, dict):
            raise BadRequest(f"{name} must be an object.")
        result = value
    for key, texts in query.lists():
        if key.startswith(f"{name}["):
            _put(result, key, name, texts)
    if unstorable_path(result) is not None:
        raise BadRequest(f"{name} holds a NUL or a lone surrogate.")
    return {key: _lists(value) for key, value in result.items()}


def _put(result: dict, key: str, name: str, texts: list[str]) -> None:
    steps = re.findall(r"\[([^\[\]]*)\]", key)
    if name + "".join(f"[{step}]" for step in steps) != key or len(steps) > MAX_DEPTH:
        raise BadRequest(f"{key} is malformed.")
    for step in steps[:-1]:
        if not isinstance(result, dict):
            break
        result = result.setdefault(step, {})
    if not isinstance(result, dict):
        raise BadRequest(f"{key} contradicts another parameter.")
    last = steps[-1]
    if last == "" or len(texts) > 1:
        start = len(result) if last == "" else 0
        target = result if last == "" else result.setdefault(last, {})
        if not isinstance(target, dict):
            raise BadRequest(f"{key} contradicts another parameter.")
        target.update({str(start + index): text for index, text in enumerate(texts)})
    else:
        result[last] = texts[0]


def _lists(value):
    """Objects whose keys are all indexes, as arrays."""
    if not isinstance(value, dict):
        return value
    if value and all(re.fullmatch(r"\d{1,4}", key) for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _lists(item) for key, item in value.items()}


# --- From structure to meaning ---------------------------------------------------------------------------------------


class _Budget:
    """How many more relations a filter may include: each is one statement."""

    def __init__(self):
        self.left = MAX_INCLUDES

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise BadRequest(f"include names more than {MAX_INCLUDES} relations.")


def _filter(given: Mapping[str, Any], serializer: Serializers, budget: _Budget) -> Filter:
    for key in given:
        if key not in FILTER_KEYS:
            raise BadRequest(f"filter has no key {quoted(key)}.")
    if "skip" in given and "offset" in given:
        raise BadRequest("skip and offset mean the same: give one of them.")
    include = {}
    entries = given.get("include") or []
    for entry in entries if isinstance(entries, list) else [entries]:
        name, inner = _include(entry, serializer, budget)
        include[name] = inner
    return Filter(
        where=where(_object(given.get("where"), "where"), serializer),
        order=_order(given.get("order"), serializer),
        limit=_limit(given["limit"]) if given.get("limit") is not None else None,
        offset=_offset(given.get("skip", given.get("offset")) or 0, "skip" if "skip" in given else "offset"),
        selection=Selection(
            fields=_fields(given.get("fields"), serializer),
            include={name: inner.selection for name, inner in include.items()},
        ),
        include=include,
    )


def _include(entry, serializer: Serializers, budget: _Budget) -> tuple[str, Filter]:
    scope = {}
    if isinstance(entry, dict):
        for key in entry:
            if key not in ("relation", "scope"):
                raise BadRequest(f"include has no key {quoted(key)}.")
        scope, entry = _object(entry.get("scope"), "scope"), entry.get("relation")
    if not isinstance(entry, str) or entry not in serializer.relations:
        known = ", ".join(serializer.relations)
        raise BadRequest(f"include names the unknown relation {quoted(entry)}; there is: {known}.")
    budget.spend()
    return entry, _filter(scope, serializer.relations[entry].serializer, budget)


def _object(value, name: str) -> dict:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object.")
    return value


def _order(given, serializer: Serializers) -> tuple[str, ...]:
    if given is None or given == [] or given == "":
        return ()
    entries = given if isinstance(given, list) else str(given).split(",")
    result: list[str] = []
    for entry in entries:
        name, _, direction = entry.strip().partition(" ") if isinstance(entry, str) else (entry, "", "")
        if not isinstance(entry, str) or direction.strip().upper() not in ("", "ASC", "DESC"):
            raise BadRequest(f"order cannot be {quoted(entry)}; it is a property, followed by ASC or DESC.")
        column = property_field(name, serializer).attname
        result.append(f"-{column}" if direction.strip().upper() == "DESC" else column)
    return _with_tie_break(result)


def _ordering(given: str, serializer: Serializers) -> tuple[str, ...]:
    """DRF's `?ordering=-createdOn,name`."""
    result = []
    for name in filter(None, (part.strip() for part in given.split(","))):
        column = property_field(name.lstrip("-"), serializer).attname
        result.append(f"-{column}" if name.startswith("-") else column)
    return _with_tie_break(result) if result else ()


def _with_tie_break(order: list[str]) -> tuple[str, ...]:
    """Rows that are equal by `order` keep their place from page to page."""
    return (*order, "-pk" if order[-1].startswith("-") else "pk")


def _limit(value) -> int:
    number = _whole(value, "limit")
    if number < 1:
        raise BadRequest("limit must be at least 1.")
    return min(number, MAX_LIMIT)


def _offset(value, name: str) -> int:
    number = _whole(value, name)
    if not 0 <= number <= MAX_OFFSET:
        raise BadRequest(f"{name} must be between 0 and {MAX_OFFSET}.")
    return number


def _whole(value, name: str) -> int:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRequest(f"{name} must be a whole number.")
    return value


def _fields(given, serializer: Serializers) -> frozenset[str] | None:
    """`fields` as a list of names, or as an object: names that are true, or all but those that are false."""
    if not given:
        return None
    if isinstance(given, str):
        given = [given]
    if isinstance(given, list):
        given = {name if isinstance(name, str) else json.dumps(name): True for name in given}
    if not isinstance(given, dict):
        raise BadRequest("fields must be an array of names, or an object of true and false.")
    known = serializer().fields
    for name, wanted in given.items():
        if name not in known:
            raise BadRequest(f"fields names the unknown property {quoted(name)}.")
        if wanted not in (True, False, "true", "false"):
            raise BadRequest(f"fields says neither true nor false of {quoted(name)}.")
    chosen = frozenset(name for name, wanted in given.items() if wanted in (True, "true"))
    return chosen or frozenset(name for name in known if name not in given)


def _search(text: str, columns: tuple[str, ...]) -> Q:
    """Every word in one of `columns`."""
    words = text.split()
    if len(words) > MAX_WORDS or len(text) > MAX_PATTERN:
        raise BadRequest(f"search takes at most {MAX_WORDS} words and {MAX_PATTERN} characters.")
    return Q(*(reduce(or_, (Q(**{f"{column}__icontains": word}) for column in columns), Q()) for word in words))


def _plain_where(query: QueryDict, structured: str, serializer: Serializers, search_fields: tuple[str, ...]) -> Q:
    """The conditions of `?status=0` and `?search=`."""
    condition = Q()
    for name, texts in query.lists():
        if name == structured or name.startswith((f"{structured}[", "_")):
            continue
        if "\0" in "".join(texts):
            raise BadRequest(f"{name} holds a NUL.")
        if name == "search":
            condition &= _search(texts[-1], search_fields)
        elif name in PLAIN_PARAMETERS and structured == "filter":
            continue
        else:
            operand = Operand(name, property_field(name, serializer), texts)
            condition &= Q(**{f"{operand.column}__in": operand.casts()})
    return condition
