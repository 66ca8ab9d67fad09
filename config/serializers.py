"""The models on the wire: camelCase, strict, and never writing what is not the caller's to write."""

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Any, ClassVar

from django.db import models
from django.utils import translation
from rest_framework import serializers
from rest_framework.utils.encoders import JSONEncoder
from rest_framework.validators import UniqueValidator

from config import fields

AS_THEY_ARE = (serializers.CharField, serializers.BooleanField, serializers.DateTimeField, serializers.UUIDField)
"""Fields whose values a JSON encoder writes as they are stored."""
AUDIT_FIELDS = ("created_on", "modified_on", "created_by", "modified_by", "deleted", "deleted_on", "deleted_by")


def camel(name: str) -> str:
    """snake_case as camelCase."""
    return re.sub(r"_(\w)", lambda match: match[1].upper(), name)


@dataclass(frozen=True)
class Relation:
    """What `include` may name on a serializer: related objects, reached by the ORM's `accessor`."""

    accessor: str
    serializer: type["ModelSerializer"]
    many: bool


@dataclass(frozen=True)
class Selection:
    """What of an object is answered: its fields (None for all) and which related objects, again selected."""

    fields: frozenset[str] | None = None
    include: Mapping[str, "Selection"] = field(default_factory=dict)


def included(instance: models.Model, name: str) -> Any:
    """The related object or list that was fetched for relation `name`."""
    return getattr(instance, included_attribute(name))


def included_attribute(name: str) -> str:
    return f"included_{name}"


class StrictFields:
    """Wire names, and 422 for what a body may not hold (CONTRACT section 4).

    A read-only field is refused, except that a client may send back what it has read when it changes an object.
    """

    fields: Mapping[str, serializers.Field]
    _field_cache: ClassVar[dict[str, serializers.Field]]

    def get_fields(self):
        """Worked out once for the class, and copied for each of its serializers, which binds them to itself."""
        if "_field_cache" not in type(self).__dict__:
            type(self)._field_cache = self._wire_fields()
        return {name: _copy(item) for name, item in type(self)._field_cache.items()}

    def _wire_fields(self) -> dict[str, serializers.Field]:
        result = {}
        for name, item in super().get_fields().items():  # type: ignore[misc]  # a mixin
            wire = camel(name)
            if wire != name and item.source is None:
                item.source = name
            if not isinstance(item, serializers.BaseSerializer):
                item.validators = [each for each in item.validators if not isinstance(each, UniqueValidator)]
            result[wire] = item
        return result

    def to_internal_value(self, data):
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)  # type: ignore[misc]  # a mixin
        errors = {
            name: serializers.ErrorDetail("There is no such field.", code="additionalProperties")
            for name in data
            if name not in self.fields
        }
        stored = None
        for name in data:
            if name in self.fields and self.fields[name].read_only:
                if stored is None:
                    stored = {} if self.instance is None else self.to_representation(self.instance)
                same = name in stored and (stored[name] == data[name] or _on_the_wire(stored[name]) == str(data[name]))
                if not same:
                    errors[name] = serializers.ErrorDetail("This field cannot be written.", code="readOnly")
        try:
            values = super().to_internal_value(data)  # type: ignore[misc]  # a mixin
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**errors, **error.detail}) from error
        if errors:
            raise serializers.ValidationError(errors)
        return values


def _copy(item: serializers.Field) -> serializers.Field:
    """What holds other fields is made anew: they are bound to it, and by it to their serializer and its context."""
    if not isinstance(item, serializers.BaseSerializer) and not hasattr(item, "child"):
        return copy.copy(item)
    new = copy.deepcopy(item)
    new.source = item.source
    return new


class Serializer(StrictFields, serializers.Serializer):
    """A request or answer that is no model."""


class ModelSerializer(StrictFields, serializers.ModelSerializer):
    """The one definition of a model's shape, for reading and for writing.

    Uniqueness is left to the database: its constraint says the sentence and the answer is 409, also in a race.
    """

    relations: ClassVar[dict[str, Relation]]
    serializer_field_mapping = serializers.ModelSerializer.serializer_field_mapping | {
        models.CharField: fields.Text,
        models.TextField: fields.Text,
        models.EmailField: fields.Email,
        models.UUIDField: fields.Id,
        models.BooleanField: fields.Boolean,
        models.DateTimeField: fields.Moment,
        models.DecimalField: fields.Number,
        models.JSONField: fields.JSONValue,
    }
    serializer_choice_field = fields.NamedChoice

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.relations = {}

    def build_field(self, *args):
        """Without what a column is called for staff, which would be a title in the description; that is English."""
        kind, options = super().build_field(*args)
        options.pop("label", None)
        if "help_text" in options:
            with translation.override(None):
                options["help_text"] = str(options["help_text"])
        return kind, options

    def get_validators(self):
        return []

    def get_extra_kwargs(self):
        extra = super().get_extra_kwargs()
        for name in ("id", *AUDIT_FIELDS):
            extra.setdefault(name, {})["read_only"] = True
        return extra

    @cached_property
    def _columns(self) -> Iterable["Column"]:
        selected = self.context.get("selection", Selection()).fields
        columns = self._all_columns()
        return columns if selected is None else [column for column in columns if column[0] in selected]

    @classmethod
    def _all_columns(cls) -> list["Column"]:
        """(wire name, how to get the value, how to write it) of every readable field, worked out once for the class."""
        if "_column_cache" not in cls.__dict__:
            cls._column_cache = [cls._column(item) for item in cls()._readable_fields]
        return cls._column_cache

    @classmethod
    def _column(cls, item: serializers.Field) -> "Column":
        if isinstance(item, fields.RelatedId):
            return item.field_name, attrgetter(cls.Meta.model._meta.get_field(item.source).attname), None
        if isinstance(item, AS_THEY_ARE):
            return item.field_name, attrgetter(item.source), None
        return item.field_name, attrgetter(item.source), item.to_representation

    def to_representation(self, instance) -> dict[str, Any]:
        result = {}
        for name, read, write in self._columns:
            value = read(instance)
            result[name] = value if value is None or write is None else write(value)
        for name, child in self._children.items():
            related = included(instance, name)
            if self.relations[name].many:
                result[name] = [child.to_representation(each) for each in related]
            else:
                result[name] = _one(child, related)
        return result

    @cached_property
    def _children(self) -> Mapping[str, "ModelSerializer"]:
        return {
            name: self.relations[name].serializer(context={**self.context, "selection": inner})
            for name, inner in self.context.get("selection", Selection()).include.items()
        }

    def to_internal_value(self, data):
        values = super().to_internal_value(data)
        if self.instance is not None and not self.partial:
            values = {**self._reset(), **values}
        return values

    def _reset(self) -> dict[str, Any]:
        """What a PUT without them means for the fields that need not be sent: their defaults."""
        return {
            item.source: self.Meta.model._meta.get_field(item.source).get_default()
            for item in self._writable_fields
            if not item.required and not isinstance(item, serializers.BaseSerializer)
        }


Column = tuple[str, Callable[[Any], Any], Callable[[Any], Any] | None]


def _on_the_wire(value: Any) -> str:
    """An id or a moment as a client has read it: ISO 8601, UTC as Z."""
    return JSONEncoder().default(value) if isinstance(value, datetime) else str(value)


def _one(child: ModelSerializer, related) -> dict[str, Any] | None:
    if isinstance(related, list):  # the many side of what is at most one, by a constraint
        related = related[0] if related else None
    return None if related is None else child.to_representation(related)
