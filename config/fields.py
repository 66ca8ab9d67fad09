"""Serializer fields as strict as JSON Schema: a number is no text, a text is no number."""

from typing import Any

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from config.domains import ascii_address

one_line = RegexValidator(
    r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\Z",
    _("The text holds a line break or another control character."),
    code="pattern",
)
"""For model fields that end up in a mail's subject, a log or a table: no control characters."""


class Text(serializers.CharField):
    default_error_messages = {"invalid": _("Not a text.")}

    def to_internal_value(self, data):
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Email(serializers.EmailField):
    """A mail address at a host name, which is kept in ASCII: mail goes to the very domain that a tenant names."""

    def to_internal_value(self, data):
        if not isinstance(data, str):
            self.fail("invalid")
        try:
            return ascii_address(super().to_internal_value(data))
        except ValueError:
            self.fail("invalid")


class Id(serializers.UUIDField):
    def to_internal_value(self, data):
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)


class Boolean(serializers.BooleanField):
    def to_internal_value(self, data):
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


YEARS = range(1900, 9999)
"""Of which every moment has a day in every time zone; the calendar ends soon after."""


class Moment(serializers.DateTimeField):
    """A moment of YEARS."""

    default_error_messages = dict.fromkeys(("minimum", "maximum"), _("The year must be one of {first} to {last}."))

    def to_internal_value(self, data):
        moment = super().to_internal_value(data)
        if moment.year not in YEARS:
            self.fail("minimum" if moment.year < YEARS[0] else "maximum", first=YEARS[0], last=YEARS[-1])
        return moment


class Number(serializers.DecimalField):
    """A decimal that is a number on the wire (CONTRACT section 10); a decimal text is accepted on input too."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs | {"coerce_to_string": False})

    def to_internal_value(self, data):
        if isinstance(data, bool) or not isinstance(data, int | float | str):
            self.fail("invalid")
        return super().to_internal_value(data)

    def to_representation(self, value):
        return float(value)


class NamedChoice(serializers.ChoiceField):
    """An enumeration; its names are accepted on input in any letter case ("PAID", "paid")."""

    def to_internal_value(self, data):
        if isinstance(data, str):
            by_name = {str(label).upper(): value for value, label in self.choices.items()}
            data = by_name.get(data.upper(), data)
        if isinstance(data, bool) or not isinstance(data, int | str) or data not in self.choices:
            self.fail("invalid_choice", input=data)
        return data


class JSONObject(serializers.JSONField):
    """A JSON object of any shape."""

    default_error_messages = {"invalid": _("Not an object.")}

    def to_internal_value(self, data: Any):
        if not isinstance(data, dict):
            self.fail("invalid")
        return data


class JSONValue(serializers.JSONField):
    """Any JSON value."""

    def to_internal_value(self, data: Any):
        return data


class RelatedId(serializers.PrimaryKeyRelatedField):
    """The id of another object that the caller may know of; what it may not know of does not exist."""

    default_error_messages = {
        "does_not_exist": _("There is no such object."),
        "incorrect_type": _("Not a UUID."),
        "invalid": _("Not a UUID."),
    }

    def get_queryset(self):
        queryset = super().get_queryset()
        request = self.context.get("request")
        return queryset.visible_to(request.user) if request is not None else queryset

    def to_internal_value(self, data):
        return super().to_internal_value(Id().run_validation(data))
