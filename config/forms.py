"""The forms behind the admin's pages: as strict as the API."""

from typing import Any

from django import forms
from django.core.validators import validate_email
from django.db.models import Model
from django.forms.fields import InvalidJSONInput, JSONString
from django.utils import translation
from django.utils.crypto import salted_hmac
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ParseError
from unfold.forms import PaginationInlineFormSet

from config import audit
from config.domains import ascii_address
from config.models import AuditedModel
from config.parsing import load_json, unstorable_path


class SeenForm(forms.ModelForm):
    """Writes nothing over what somebody else has changed since.

    `seen` is the version of the row that the page was made with.
    """

    seen = forms.CharField(label="", required=False, widget=forms.HiddenInput)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.fields["seen"].initial = self.version(self.instance)

    @staticmethod
    def version(row: Model) -> str:
        """A text that is another one when the row has changed, or what it points to many of."""
        with translation.override(None):  # the names of permissions are translated
            held = {name: value for name, value in audit.snapshot(row).items() if name not in audit.BOOKKEEPING}
        return salted_hmac("seen", repr(held), algorithm="sha256").hexdigest()

    @cached_property
    def changed_data(self):
        return [name for name in super().changed_data if name != "seen"]

    def clean(self):
        seen = super().clean().get("seen")
        if seen and not self.instance._state.adding:
            rows = self._meta.model._base_manager.select_for_update(no_key=True)  # until it is saved
            row = rows.filter(pk=self.instance.pk).first()
            if row is None or self.version(row) != seen:
                raise forms.ValidationError(_("This has been changed meanwhile. Open the page anew."), code="changed")


class AuditedForm(SeenForm):
    """The form of an `AuditedModel`, which keeps its last change: says what a constraint would refuse."""

    @staticmethod
    def version(row: AuditedModel) -> str:
        return row.modified_on.isoformat()

    def _get_validation_exclusions(self):
        """Django leaves out a constraint whose condition names a field that is not in the form, as `deleted` is not."""
        conditions = [getattr(each, "condition", None) for each in self._meta.model._meta.constraints]
        named = {name for each in conditions if each is not None for name in each.referenced_base_fields}
        return super()._get_validation_exclusions() - (named - set(self.fields))


class StrictEmailField(forms.EmailField):
    """A mail address as a body of the API may hold it."""

    def to_python(self, value):
        value = super().to_python(value)
        try:
            return value and ascii_address(value)
        except ValueError as error:
            raise forms.ValidationError(validate_email.message, code="invalid") from error


class StrictJSONField(forms.JSONField):
    """JSON as a body of the API may hold it: Django's own takes what no database stores, and what is none."""

    def to_python(self, value):
        if self.disabled or isinstance(value, JSONString) or not isinstance(value, str | None):
            return super().to_python(value)
        found = None if value in self.empty_values else self._read(value)
        if found is None:  # no column of ours holds a null: it is what the model begins with
            return self.initial() if callable(self.initial) else self.initial
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
            raise forms.ValidationError(_("The text holds a character that cannot be kept."), code="unstorable")
        return value


class StrictChoiceField(forms.ModelChoiceField):
    """A choice that is shown only if it is an id: Django's autocompletion looks up whatever was sent, or stands in the
    page's address."""

    def prepare_value(self, value):
        prepared = super().prepare_value(value)
        return prepared if _is_id(self, prepared) else ""


class StrictChoicesField(forms.ModelMultipleChoiceField):
    """Several of them; an address gives none to an autocompletion of ours, and a form none that no column holds."""

    def clean(self, value):
        for each in value or ():
            if not _is_id(self, each):
                raise forms.ValidationError(self.error_messages["invalid_pk_value"], "invalid_pk_value", {"pk": each})
        return super().clean(value)

    def bound_data(self, data, initial):
        return super().bound_data([each for each in data or () if _is_id(self, each)], initial)


def _is_id(field: forms.ModelChoiceField, sent: Any) -> bool:
    try:
        field.queryset.model._meta.pk.clean(sent, None)
    except forms.ValidationError:
        return False
    return True


class PartFormSet(PaginationInlineFormSet):
    """What belongs to an object, by pages: one that there is not is the nearest that there is."""

    def get_page_num(self):
        return self.request.GET.get(self.get_pagination_key(), 1)

    def get_page(self, paginator, page):
        return paginator.get_page(page)
