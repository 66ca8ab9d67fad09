"""The forms behind the admin's pages of `AuditedModel`s: as strict as the API."""

from typing import Any

from django import forms
from django.forms.fields import InvalidJSONInput, JSONString
from rest_framework.exceptions import ParseError

from config.parsing import load_json, unstorable_path


class AuditedForm(forms.ModelForm):
    """Says at the form what a constraint would refuse."""

    def _get_validation_exclusions(self):
        """Django leaves out a constraint whose condition names a field that is not in the form, as `deleted` is not."""
        conditions = [getattr(each, "condition", None) for each in self._meta.model._meta.constraints]
        named = {name for each in conditions if each is not None for name in each.referenced_base_fields}
        return super()._get_validation_exclusions() - (named - set(self.fields))


class StrictJSONField(forms.JSONField):
    """JSON as a body of the API may hold it: Django's own takes what no database stores, and what is none."""

    def to_python(self, value):
        if self.disabled or value in self.empty_values or not isinstance(value, str) or isinstance(value, JSONString):
            return super().to_python(value)
        found = self._read(value)
        return JSONString(found) if isinstance(found, str) else found

    def bound_data(self, data, initial):
        if self.disabled or data is None:
            return super().bound_data(data, initial)
        try:
            return self._read(data)
        except forms.ValidationError:
            return InvalidJSONInput(data)

    @staticmethod
    def _read(text: str) -> Any:
        try:
            value = load_json(text)
        except ParseError as error:
            raise forms.ValidationError(str(error.detail), code="invalid") from error
        if unstorable_path(value) is not None:
            raise forms.ValidationError("The text holds a NUL or a lone surrogate.", code="unstorable")
        return value


class StrictChoiceField(forms.ModelChoiceField):
    """A choice that is shown again only if it is an id: Django's autocompletion looks up whatever was sent."""

    def bound_data(self, data, initial):
        return super().bound_data(data if _is_id(self, data) else None, initial)


class StrictChoicesField(forms.ModelMultipleChoiceField):
    """Several of them."""

    def bound_data(self, data, initial):
        return super().bound_data([each for each in data or () if _is_id(self, each)], initial)


def _is_id(field: forms.ModelChoiceField, sent: Any) -> bool:
    try:
        field.queryset.model._meta.pk.to_python(sent)
    except forms.ValidationError:
        return False
    return True
