"""The query language of the lists (CONTRACT section 5): from the query string to a queryset.

The language is the reference's (LoopBack 4's filter), so no package speaks it. What a caller may name is what the
model's serializer shows: its concrete properties, and the relations registered on it. Anything else is a BadRequest
that names the offender.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache, reduce
from operator import or_
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Prefetch, Q, QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ParseError

from config import lookups  # noqa: F401  (registers them)
from config.errors import BadRequest
from config.parsing import MAX_DEPTH, load_json, unstorable_path
from config.serializers import ModelSerializer, Selection, included_attribute

DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET = 100, 1000, 2**31 - 1
MAX_INCLUDES = 16
FILTER_KEYS = frozenset({"where", "fields", "include", "order", "limit", "skip", "offset"})
PLAIN_PARAMETERS = frozenset({"search", "ordering", "limit", "offset"})
Serializers = type[ModelSerializer]


@dataclass(frozen=True)
class Filter:
    """What a list was asked for."""

    where: Q
    order: tuple[str, ...]
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


def read_where(query: QueryDict, serializer: Serializers, search_fields: tuple[str, ...] = ()) -> Q:
    """The condition of a count or a bulk PATCH; empty (falsy) where none was given."""
    return _where(_structured(query, "where"), serializer) & _plain_where(query, "where", serializer, search_fields)


def apply(filter_: Filter, queryset: QuerySet, serializer: Serializers, principal) -> QuerySet:
    """`queryset` filtered and ordered, with the included relations, without limit and offset."""
    queryset = queryset.filter(filter_.where).order_by(*filter_.order)
    return queryset.prefetch_related(*prefetches(filter_, serializer, principal))


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
            raise BadRequest(f"filter has no key {_quoted(key)}.")
    if "skip" in given and "offset" in given:
        raise BadRequest("skip and offset mean the same: give one of them.")
    include = {}
    entries = given.get("include") or []
    for entry in entries if isinstance(entries, list) else [entries]:
        name, inner = _include(entry, serializer, budget)
        include[name] = inner
    return Filter(
        where=_where(_object(given.get("where"), "where"), serializer),
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
                raise BadRequest(f"include has no key {_quoted(key)}.")
        scope, entry = _object(entry.get("scope"), "scope"), entry.get("relation")
    if not isinstance(entry, str) or entry not in serializer.relations:
        known = ", ".join(serializer.relations)
        raise BadRequest(f"include names the unknown relation {_quoted(entry)}; there is: {known}.")
    budget.spend()
    return entry, _filter(scope, serializer.relations[entry].serializer, budget)


def _object(value, name: str) -> dict:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be an object.")
    return value


def _where(given: Mapping[str, Any], serializer: Serializers) -> Q:
    condition = Q()
    for name, value in given.items():
        if name in ("and", "or"):
            if not isinstance(value, list) or not value or not all(isinstance(part, dict) and part for part in value):
                raise BadRequest(f"{name} takes an array of conditions.")
            parts = [_where(part, serializer) for part in value]
            condition &= reduce(or_, parts) if name == "or" else Q(*parts)
        else:
            column = _property(name, serializer)
            if not isinstance(value, dict):
                value = {"eq": value}
            if not value:
                raise BadRequest(f"{name} has no operator.")
            for operator, operand in value.items():
                if operator not in OPERATORS:
                    known = ", ".join(OPERATORS)
                    raise BadRequest(f"{name} has the unknown operator {_quoted(operator)}; there is: {known}.")
                condition &= OPERATORS[operator](_Operand(name, column, operand))
    return condition


@dataclass(frozen=True)
class _Operand:
    """A property and what it is compared with."""

    name: str
    field: models.Field
    value: Any

    @property
    def column(self) -> str:
        return self.field.attname

    def cast(self, value=None) -> Any:
        return _cast(self.name, self.field, self.value if value is None else value)

    def casts(self) -> list:
        if not isinstance(self.value, list):
            raise BadRequest(f"{self.name} must be compared with an array here.")
        return [self.cast(item) for item in self.value if item is not None]

    def pattern(self) -> str:
        if not isinstance(self.field, models.CharField | models.TextField):
            raise BadRequest(f"{self.name} is no text: it cannot be matched with a pattern.")
        if not isinstance(self.value, str) or re.search(r"(?<!\\)(\\\\)*\\\Z", self.value):
            raise BadRequest(f"{self.name} must be matched with a text that does not end in a backslash.")
        return self.value


def _equal(operand: _Operand) -> Q:
    if operand.value is None:
        return Q(**{f"{operand.column}__isnull": True})
    return Q(**{operand.column: operand.cast()})


def _not_equal(operand: _Operand) -> Q:
    if operand.value is None:
        return Q(**{f"{operand.column}__isnull": False})
    return Q(**{f"{operand.column}__neq": operand.cast()})


def _between(operand: _Operand) -> Q:
    values = operand.casts()
    if len(values) != 2:
        raise BadRequest(f"{operand.name}: between takes an array of two values.")
    return Q(**{f"{operand.column}__range": values})


def _in(operand: _Operand) -> Q:
    return Q(**{f"{operand.column}__in": operand.casts()})


def _not_in(operand: _Operand) -> Q:
    return Q(**{f"{operand.column}__isnull": False}) & ~_in(operand)


def _exists(operand: _Operand) -> Q:
    if operand.value not in (True, False, "true", "false"):
        raise BadRequest(f"{operand.name}: exists takes true or false.")
    return Q(**{f"{operand.column}__isnull": operand.value in (False, "false")})


def _compare(lookup: str) -> Callable[[_Operand], Q]:
    return lambda operand: Q(**{f"{operand.column}__{lookup}": operand.cast(_present(operand))})


def _present(operand: _Operand) -> Any:
    if operand.value is None:
        raise BadRequest(f"{operand.name} cannot be compared with null here.")
    return operand.value


def _match(lookup: str, *, negated: bool = False) -> Callable[[_Operand], Q]:
    def condition(operand: _Operand) -> Q:
        found = Q(**{f"{operand.column}__{lookup}": operand.pattern()})
        return Q(**{f"{operand.column}__isnull": False}) & ~found if negated else found

    return condition


OPERATORS: Mapping[str, Callable[[_Operand], Q]] = {
    "eq": _equal,
    "neq": _not_equal,
    "gt": _compare("gt"),
    "gte": _compare("gte"),
    "lt": _compare("lt"),
    "lte": _compare("lte"),
    "inq": _in,
    "nin": _not_in,
    "between": _between,
    "exists": _exists,
    "like": _match("like"),
    "nlike": _match("like", negated=True),
    "ilike": _match("ilike"),
    "nilike": _match("ilike", negated=True),
}


@lru_cache
def properties(serializer: Serializers) -> Mapping[str, models.Field]:
    """What `where` and `order` may name: the shown properties that are columns, by wire name. JSON has no order."""
    concrete = {field.name: field for field in serializer.Meta.model._meta.concrete_fields}
    return {
        wire: concrete[item.source]
        for wire, item in serializer().fields.items()
        if not item.write_only
        and item.source in concrete
        and not isinstance(concrete[item.source], models.JSONField | models.FileField)
    }


def _property(name: str, serializer: Serializers) -> models.Field:
    known = properties(serializer)
    if name not in known:
        raise BadRequest(f"There is no property {_quoted(name)} to filter or order by; there is: {', '.join(known)}.")
    return known[name]


def _cast(name: str, field: models.Field, value) -> Any:
    """`value` as a value of `field`: BadRequest for one that can be none."""
    if isinstance(value, dict | list):
        raise BadRequest(f"{name} must be compared with a single value here.")
    try:
        if field.choices and isinstance(value, str):
            value = {str(label).upper(): key for key, label in field.flatchoices}.get(value.upper(), value)
        if isinstance(field, models.DateTimeField):
            return _moment(value)
        if isinstance(field, models.DecimalField):
            return _decimal(value, field)
        if isinstance(field, models.BooleanField):
            return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]
        if isinstance(value, bool):
            raise ValueError("a truth value is no other value")
        result = field.to_python(value)
        if field.choices and result not in dict(field.flatchoices):
            raise ValueError("not one of the choices")
        return result
    except (ValueError, TypeError, KeyError, OverflowError, InvalidOperation, ValidationError) as error:
        raise BadRequest(f"{name} cannot be compared with {_quoted(value)}.") from error


def _moment(value) -> datetime:
    moment = parse_datetime(value) if isinstance(value, str) else None
    if moment is None:
        raise ValueError("no point in time")
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _decimal(value, field: models.DecimalField) -> Decimal:
    if isinstance(value, bool):
        raise ValueError("a truth value is no number")
    number = Decimal(str(value))
    whole = field.max_digits - field.decimal_places
    if not number.is_finite() or number.adjusted() >= whole or number != round(number, field.decimal_places):
        raise ValueError("more digits than the column has")
    return number


def _order(given, serializer: Serializers) -> tuple[str, ...]:
    if given is None or given == [] or given == "":
        return ("created_on", "pk")
    entries = given if isinstance(given, list) else str(given).split(",")
    result: list[str] = []
    for entry in entries:
        name, _, direction = entry.strip().partition(" ") if isinstance(entry, str) else (entry, "", "")
        if not isinstance(entry, str) or direction.strip().upper() not in ("", "ASC", "DESC"):
            raise BadRequest(f"order cannot be {_quoted(entry)}; it is a property, followed by ASC or DESC.")
        column = _property(name, serializer).attname
        result.append(f"-{column}" if direction.strip().upper() == "DESC" else column)
    return _with_tie_break(result)


def _ordering(given: str, serializer: Serializers) -> tuple[str, ...]:
    """DRF's `?ordering=-createdOn,name`."""
    result = []
    for name in filter(None, (part.strip() for part in given.split(","))):
        column = _property(name.lstrip("-"), serializer).attname
        result.append(f"-{column}" if name.startswith("-") else column)
    return _with_tie_break(result) if result else ("created_on", "pk")


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
            raise BadRequest(f"fields names the unknown property {_quoted(name)}.")
        if wanted not in (True, False, "true", "false"):
            raise BadRequest(f"fields says neither true nor false of {_quoted(name)}.")
    chosen = frozenset(name for name, wanted in given.items() if wanted in (True, "true"))
    return chosen or frozenset(name for name in known if name not in given)


def _plain_where(query: QueryDict, structured: str, serializer: Serializers, search_fields: tuple[str, ...]) -> Q:
    """The conditions of `?status=0` and `?search=`."""
    condition = Q()
    for name, texts in query.lists():
        if name == structured or name.startswith((f"{structured}[", "_")):
            continue
        if "\0" in "".join(texts):
            raise BadRequest(f"{name} holds a NUL.")
        if name == "search":
            for word in texts[-1].split():
                condition &= reduce(or_, (Q(**{f"{column}__icontains": word}) for column in search_fields), Q())
        elif name in PLAIN_PARAMETERS and structured == "filter":
            continue
        else:
            operand = _Operand(name, _property(name, serializer), texts)
            condition &= Q(**{f"{operand.column}__in": operand.casts()})
    return condition


def _quoted(value) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return f'"{text[:100]}"'
