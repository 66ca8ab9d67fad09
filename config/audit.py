"""The audit log: what staff did in the back-office, when, from where, and the difference it made.

Written by the admin's pages and operations as they save, and by nothing else: django-auditlog's own signals would
make every request of the API and every delivery pay for it, whose actors the rows and the timeline name already.
"""

import json
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from auditlog.diff import get_field_value
from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import yesno
from django.utils.formats import date_format, number_format

from config.actors import names_of
from config.language import second
from config.throttling import client_address

Snapshot = dict[str, object]

BOOKKEEPING = frozenset({"modified_on", "modified_by", "last_login"})
SECRET = frozenset({"password", "secret", "former_secret", "context", "memory", "key_hash", "config_value"})
"""What is only said to have changed: credentials, and configurations, which may hold some."""
HIDDEN = "•••"


def snapshot(obj: Model | None) -> Snapshot:
    """The row as the database has it now; empty where there is none."""
    row = obj._meta.model._base_manager.filter(pk=obj.pk).first() if obj is not None else None
    if row is None:
        return {}
    held = {field.name: get_field_value(row, field) for field in row._meta.concrete_fields}
    for field in row._meta.many_to_many:  # roles and permissions, whose names may need their own relations
        held[field.name] = ", ".join(sorted(map(str, getattr(row, field.name).select_related())))
    return held


def difference(before: Snapshot, after: Snapshot) -> dict[str, tuple[str, str]]:
    """What changed from `before` to `after`, by field; of a secret only that it did."""
    changed = {}
    for name in {**before, **after}:
        old, new = before.get(name, ""), after.get(name, "")
        if old == new or name in BOOKKEEPING:
            continue
        if name in SECRET:
            old, new = HIDDEN, HIDDEN
        changed[name] = (str(old), str(new))
    return changed


def record_export(request: HttpRequest, model: type[Model], *, query: str) -> None:
    """Write down that the user of `request` took the list of `model`, filtered by `query`, away as a file."""
    LogEntry.objects.create(
        content_type=ContentType.objects.get_for_model(model),
        object_pk="",
        object_repr=query,
        action=LogEntry.Action.ACCESS,
        actor=request.user,
        remote_addr=client_address(request) or None,
        additional_data=_said(request, "export"),
    )


def record(request: HttpRequest, obj: Model, *, what: str, before: Snapshot, after: Snapshot) -> None:
    """Write down that the user of `request` did `what` to `obj`."""
    action = LogEntry.Action.UPDATE if before and after else LogEntry.Action.CREATE
    LogEntry.objects.log_create(
        obj,
        force_log=True,
        action=LogEntry.Action.DELETE if before and not after else action,
        actor=request.user,
        remote_addr=client_address(request) or None,
        changes=difference(before, after),
        additional_data={**_said(request, what), "currency": (after or before).get("currency_code")},
    )


def _said(request: HttpRequest, what: str) -> dict[str, str]:
    """The operation, and the user by name: that tells who it was when the user is deleted."""
    return {"operation": what, "user": request.user.get_username()}


def spoken(field: Any, value: str) -> str:
    """What `difference` wrote down of a field, as people read it in the language of now."""
    labels = {str(key): label for key, label in field.flatchoices}
    if value in ("", HIDDEN) or value in labels:
        return str(labels.get(value, value))
    if value == "None" and field.null:
        return ""
    try:
        match field:
            case models.BooleanField():
                return yesno(value == "True")
            case models.DateTimeField():
                return second(datetime.fromisoformat(value).replace(tzinfo=UTC))
            case models.DateField():
                return date_format(date.fromisoformat(value))
            case models.DecimalField():
                return number_format(Decimal(value).normalize(), force_grouping=True)
            case models.JSONField():
                held = json.loads(value)
                return ", ".join(map(str, held)) if isinstance(held, list) else value
            case models.UUIDField() if not field.primary_key:
                return names_of([uuid.UUID(value)]).get(uuid.UUID(value), value)
            case models.ForeignKey():
                return str(field.related_model._base_manager.filter(pk=value).first() or value)
    except (ValueError, ArithmeticError, ValidationError):
        pass  # the field was another when it was written
    return value


def forget(rows: QuerySet) -> None:
    """Take out of the entries about `rows` what they say of them. Who did what, and when, stays."""
    kind = ContentType.objects.get_for_model(rows.model)
    keys = [str(pk) for pk in rows.values_list("pk", flat=True)]
    LogEntry.objects.filter(content_type=kind, object_pk__in=keys).update(object_repr=HIDDEN, changes={})
