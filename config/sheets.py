"""Models as files: what is exported of them, and how a file becomes rows again, by the rules of the API.

A `Sheet` is one of django-import-export's resources whose columns are named as on the wire; an import goes through the
serializer of the API, and is all or nothing. `config.exchange` puts it on an admin page.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import DEFAULT_DB_ALIAS, IntegrityError, models, transaction
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from import_export.fields import Field
from import_export.instance_loaders import BaseInstanceLoader
from import_export.resources import Resource
from import_export.results import Error, Result, RowResult
from rest_framework import serializers
from rest_framework.exceptions import APIException, ParseError

from config import audit, fields
from config.errors import envelope, violated_constraint
from config.parsing import load_json, unstorable_path
from config.spreadsheets import text_of

BLANK = (None, "")
TRUTHS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}
RECORD = {"createdOn": "created_on", "modifiedOn": "modified_on", "deleted": "deleted"}
"""The columns that every export ends with."""
SHOWN = 100
"""How many rows, and how many faulty ones, the preview of an import shows."""


class Change:
    """What the preview of an import shows of a row; in the way of import_export.resources.Diff."""

    def __init__(self, sheet: "Sheet", instance: models.Model, new: bool):
        self.new = new
        self.before = self.after = self._shown(sheet, instance)

    def compare_with(self, sheet: "Sheet", instance: models.Model) -> None:
        self.after = self._shown(sheet, instance)

    def as_html(self) -> list[str]:
        return [
            format_html("<del>{}</del> <ins>{}</ins>", before, after)
            if not self.new and before and before != after
            else format_html("{}", after)
            for before, after in zip(self.before, self.after, strict=True)
        ]

    @staticmethod
    def _shown(sheet: "Sheet", instance: models.Model) -> list[str]:
        return [str(text_of(field.get_value(instance))) for field in sheet.get_import_fields()]


class Sheet(Resource):
    """A model as a file. An import reads what is `importable` and skips the other columns of an export; a row with an
    id changes that object, one without adds one.
    """

    model: ClassVar[type[models.Model]]
    serializer: ClassVar[type[serializers.Serializer]]
    columns: ClassVar[Mapping[str, str]]
    """From a column's name, which is that on the wire, to what it shows of an object; `__` follows relations."""
    importable: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str, ...]] = ()
    """The columns without which nothing can be added."""
    stands_for: ClassVar[Mapping[str, str]] = {}
    """The column of a field of the serializer that has another name there."""
    headings: ClassVar[Mapping[str, Any]] = {}
    """What a column is called for people, where what it shows of an object has no name that says it."""

    class Meta:
        using_db = DEFAULT_DB_ALIAS
        instance_loader_class = BaseInstanceLoader
        use_transactions = True
        skip_unchanged = True

    def __init__(self, request: HttpRequest | None = None, **kwargs):
        super().__init__(**kwargs)
        self.request = request
        self.fields = {name: Field(attribute=attribute, column_name=name) for name, attribute in self.columns.items()}
        self.found: Mapping[str, models.Model] = {}
        self.values: Mapping[str, Any] = {}
        self.faults: dict[str, list[str]] = {}

    @classmethod
    def get_display_name(cls) -> str:
        return str(cls.model._meta.verbose_name_plural)

    # --- Out ---

    def rows(self, queryset: models.QuerySet) -> Iterator[list[Any]]:
        """The header and the rows; one statement, however many they are."""
        yield list(self.columns)
        for obj in self.iter_queryset(self._joined(self.filter_export(queryset))):
            yield [field.get_value(obj) for field in self.fields.values()]

    def _joined(self, queryset: models.QuerySet) -> models.QuerySet:
        """With the relations that columns are of."""
        relations = {attribute.rpartition("__")[0] for attribute in self.columns.values() if "__" in attribute}
        return queryset.select_related(*relations) if relations else queryset

    # --- In ---

    def get_import_fields(self):
        return [self.fields[name] for name in self.importable]

    def get_diff_class(self):
        return Change

    def import_data(self, dataset, **kwargs) -> Result:
        """The result; nothing is written where it names an error, or on a `dry_run`."""
        fault = self._fault_of(dataset.headers or [])
        if fault is not None:
            result = Result()
            result.append_base_error(Error(fault))
            return result
        result = super().import_data(dataset, **{**kwargs, "rollback_on_validation_errors": True})
        del result.rows[SHOWN:], result.invalid_rows[SHOWN:]  # what was counted stays counted
        result.diff_headers = [self.heading(name) for name in result.diff_headers]
        return result

    @classmethod
    def heading(cls, column: str) -> str:
        """What a column is called for people."""
        if column in cls.headings:
            return capfirst(str(cls.headings[column]))
        *relations, name = cls.columns.get(column, column).split("__")
        model: Any = cls.model
        for relation in relations:
            model = model._meta.get_field(relation).related_model
        return capfirst(str(model._meta.get_field(name).verbose_name))

    def _fault_of(self, headers: list[str]) -> str | None:
        unknown = [name for name in headers if name not in self.columns and name not in self.importable]
        if unknown:
            return _("There is no column %(unknown)s. There is: %(known)s.") % {
                "unknown": ", ".join(f"“{name[:100]}”" for name in unknown), "known": ", ".join(self.importable),
            }  # fmt: skip
        if len(set(headers)) < len(headers):
            return _("A column is there twice.")
        missing = [name for name in self.required if name not in headers]
        if missing and "id" not in headers:
            return _("These columns are missing: %s.") % ", ".join(missing)
        return None

    def before_import(self, dataset, **kwargs):
        """What the rows name, in one statement."""
        if "id" in dataset.headers:
            ids = [_id(value) for value in dataset["id"]]
            found = self.model.objects.filter(pk__in=[id for id in ids if id])
            self.found = {str(obj.pk): obj for obj in self._joined(found)}

    def import_row(self, row, instance_loader, **kwargs) -> RowResult:
        """A row's result; what is no fault of the row is a defect of ours and surfaces."""
        result = super().import_row(row, instance_loader, **kwargs)
        if result.errors:
            raise result.errors[0].error
        return result

    def handle_import_error(self, result, error, raise_errors=False):
        raise error

    def get_or_init_instance(self, instance_loader, row):
        path = unstorable_path(dict(row))
        if path is not None:
            raise ValidationError({path[0]: _("The text holds a character that cannot be kept.")})
        if row.get("id") in BLANK:
            return self.model(), True
        if _id(row["id"]) not in self.found:
            raise ValidationError({"id": _("There is no such object.")})
        return self.found[_id(row["id"])], False

    def import_instance(self, instance, row, **kwargs):
        self.values = self.values_of(row, None if instance._state.adding else instance)
        for name, value in self.values.items():
            setattr(instance, name, value)

    def values_of(self, row: Mapping[str, Any], instance: models.Model | None) -> dict[str, Any]:
        """The row as the serializer reads it. Raises ValidationError with all faults of the row."""
        self.faults = {}
        asked = self.serializer(instance, data=self.body(row), partial=instance is not None)
        if not asked.is_valid() or self.faults:
            found = {self.stands_for.get(name, name): said for name, said in _flat(asked.errors).items()}
            raise ValidationError({**found, **self.faults})
        return asked.validated_data

    def body(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The row as a body of the API; what has no place in one is among the `faults`."""
        return self.body_of(self.serializer(), {name: row.get(name) for name in self.importable if name in row})

    def body_of(self, serializer: serializers.Serializer, cells: Mapping[str, Any]) -> dict[str, Any]:
        """What the cells say for fields of the serializer that can be written; of no other."""
        found = {}
        for name, field in serializer.fields.items():
            if name in cells and not field.read_only:
                try:
                    found[name] = value_of(field, cells[name])
                except ParseError as error:
                    self.faults[name] = [str(error.detail)]
        return {name: value for name, value in found.items() if value is not serializers.empty}

    def save_instance(self, instance, is_create, row, **kwargs):
        """Write one row, and who did it into the audit log; a refusal by the database is the row's fault."""
        before = {} if is_create else audit.snapshot(instance)
        try:
            with transaction.atomic():
                saved = self.write(instance, is_create)
        except IntegrityError as error:
            constraint = violated_constraint(error)
            if constraint is None:
                raise
            raise ValidationError({NON_FIELD_ERRORS: [str(constraint.violation_error_message)]}) from error
        except APIException as error:
            raise ValidationError({NON_FIELD_ERRORS: [envelope(error)["error"]["message"]]}) from error
        audit.record(self.request, saved, what="import", before=before, after=audit.snapshot(saved))

    def write(self, instance: models.Model, is_create: bool) -> models.Model:
        """The row's object, written with its `values`."""
        instance.modified_by = self.request.user.pk
        if is_create:
            instance.created_by = self.request.user.pk
            instance.save(force_insert=True)
        else:
            instance.save(update_fields=[*self.values, "modified_by"])
        return instance


def value_of(field: serializers.Field, cell: Any) -> Any:
    """A cell as JSON would say it, which knows texts, numbers and truth values apart. Raises ParseError."""
    if cell in BLANK:
        if field.allow_null:
            return None
        return "" if isinstance(field, serializers.CharField) and field.required else serializers.empty
    match field:
        case fields.Boolean():
            return TRUTHS.get(str(cell).strip().lower(), cell)
        case serializers.ListField():
            return [each.strip() for each in str(cell).split(",") if each.strip()]
        case serializers.JSONField():
            return load_json(str(cell))
        case serializers.CharField() | serializers.ChoiceField() | serializers.UUIDField():
            return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)
    return cell.strip() if isinstance(cell, str) else cell


def _id(value: Any) -> str | None:
    try:
        return str(models.UUIDField().to_python(str(value).strip())) if value not in BLANK else None
    except ValidationError:
        return None


def _flat(errors: Any, path: str = "") -> dict[str, list[str]]:
    """A serializer's errors by column; that of the email inside contact is contactEmail."""
    if not isinstance(errors, Mapping):
        flat = [message for each in errors for message in (each.values() if isinstance(each, Mapping) else [each])]
        return {path or NON_FIELD_ERRORS: [str(message) for message in flat]}
    found: dict[str, list[str]] = {}
    for name, inner in errors.items():
        own = path if name == "non_field_errors" else path + name[0].upper() + name[1:] if path else str(name)
        found |= _flat(inner, own)
    return found
