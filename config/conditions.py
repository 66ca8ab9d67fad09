"""What `where` says (CONTRACT section 5): from nested JSON to a condition on a model's properties.

Operators are data; a value is cast to its column's type, and refused with a BadRequest when it can be none.
"""

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache, reduce
from operator import or_
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.dateparse import parse_datetime

from config.errors import BadRequest
from config.serializers import ModelSerializer

Serializers = type[ModelSerializer]


MAX_CONDITIONS, MAX_PATTERN = 250, 1000
"""What databases cope with: SQLite's statements are at most 1,000 expressions deep."""


def where(given: Mapping[str, Any], serializer: Serializers) -> Q:
    """The condition that `given` says. Raises BadRequest."""
    if _count(given) > MAX_CONDITIONS:
        raise BadRequest(f"where holds more than {MAX_CONDITIONS} conditions.")
    return _where(given, serializer)


def _count(given: object) -> int:
    """How many conditions there are at most: an operand that is an array is one."""
    if not isinstance(given, dict):
        return 1
    return sum(
        sum(map(_count, value)) if name in ("and", "or") and isinstance(value, list) else _count(value)
        for name, value in given.items()
    )


def _where(given: Mapping[str, Any], serializer: Serializers) -> Q:
    condition = Q()
    for name, value in given.items():
        if name in ("and", "or"):
            if not isinstance(value, list) or not value or not all(isinstance(part, dict) and part for part in value):
                raise BadRequest(f"{name} takes an array of conditions.")
            parts = [_where(part, serializer) for part in value]
            condition &= reduce(or_, parts) if name == "or" else Q(*parts)
        else:
            column = property_field(name, serializer)
            if not isinstance(value, dict):
                value = {"eq": value}
            if not value:
                raise BadRequest(f"{name} has no operator.")
            for operator, operand in value.items():
                if operator not in OPERATORS:
                    known = ", ".join(OPERATORS)
                    raise BadRequest(f"{name} has the unknown operator {quoted(operator)}; there is: {known}.")
                condition &= OPERATORS[operator](Operand(name, column, operand))
    return condition


@dataclass(frozen=True)
class Operand:
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
        if len(self.value) > MAX_PATTERN:
            raise BadRequest(f"{self.name} must be matched with at most {MAX_PATTERN} characters.")
        return self.value


def _equal(operand: Operand) -> Q:
    if operand.value is None:
        return Q(**{f"{operand.column}__isnull": True})
    return Q(**{operand.column: operand.cast()})


def _not_equal(operand: Operand) -> Q:
    """What is unset is neither equal nor unequal, as in SQL and in the reference."""
    present = Q(**{f"{operand.column}__isnull": False})
    return present if operand.value is None else present & ~Q(**{operand.column: operand.cast()})


def _between(operand: Operand) -> Q:
    values = operand.casts()
    if len(values) != 2:
        raise BadRequest(f"{operand.name}: between takes an array of two values.")
    return Q(**{f"{operand.column}__range": values})


def _in(operand: Operand) -> Q:
    return Q(**{f"{operand.column}__in": operand.casts()})


def _not_in(operand: Operand) -> Q:
    return Q(**{f"{operand.column}__isnull": False}) & ~_in(operand)


def _exists(operand: Operand) -> Q:
    if operand.value not in (True, False, "true", "false"):
        raise BadRequest(f"{operand.name}: exists takes true or false.")
    return Q(**{f"{operand.column}__isnull": operand.value in (False, "false")})


def _compare(lookup: str) -> Callable[[Operand], Q]:
    return lambda operand: Q(**{f"{operand.column}__{lookup}": operand.cast(_present(operand))})


def _present(operand: Operand) -> Any:
    if operand.value is None:
        raise BadRequest(f"{operand.name} cannot be compared with null here.")
    return operand.value


def _match(lookup: str, *, negated: bool = False) -> Callable[[Operand], Q]:
    def condition(operand: Operand) -> Q:
        found = Q(**{f"{operand.column}__{lookup}": operand.pattern()})
        return Q(**{f"{operand.column}__isnull": False}) & ~found if negated else found

    return condition


OPERATORS: Mapping[str, Callable[[Operand], Q]] = {
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


def property_field(name: str, serializer: Serializers) -> models.Field:
    known = properties(serializer)
    if name not in known:
        raise BadRequest(f"There is no property {quoted(name)} to filter or order by; there is: {', '.join(known)}.")
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
        if isinstance(field.target_field if field.is_relation else field, models.UUIDField):
            return uuid.UUID(str(value))
        if isinstance(value, float) and not value.is_integer():
            raise ValueError("a fraction is no whole number")
        result = field.to_python(value)
        if isinstance(result, int) and not -(2**63) <= result < 2**63:
            raise ValueError("no column is that wide")
        if field.choices and result not in dict(field.flatchoices):
            raise ValueError("not one of the choices")
        return result
    except (ValueError, TypeError, KeyError, OverflowError, InvalidOperation, ValidationError) as error:
        raise BadRequest(f"{name} cannot be compared with {quoted(value)}.") from error


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


def quoted(value) -> str:
    """What a caller sent, to be named in a sentence."""
    text = value if isinstance(value, str) else json.dumps(value)
    return f'"{text[:100]}"'
