"""The audit log: what staff did in the back-office, and anybody by the API's operations on a row, when, from where, and
the difference it made.

Written by the admin's pages and operations and by `config.api` as they save, and by nothing else: django-auditlog's own
signals would make every sign-up and every delivery pay for it, of which the timeline tells already.
"""

import json
import re
import uuid
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from auditlog.diff import get_field_value
from auditlog.models import LogEntry
from django.contrib.auth import get_user_model
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
BATCH = 1_000  # rows of one statement


def snapshot(obj: Model | None, *, lock: bool = False) -> Snapshot:
    """The row as the database has it now; empty where there is none. With `lock` it stays so until others are let."""
    if obj is None:
        return {}
    rows = obj._meta.model._base_manager.filter(pk=obj.pk)
    row = (rows.select_for_update(no_key=True) if lock else rows).first()
    if row is None:
        return {}
    held = _held(row, row._meta.concrete_fields)
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


def snapshots(rows: QuerySet, names: Collection[str]) -> dict[Any, Snapshot]:
    """Of all `rows`, by key, what the database has now in the columns of these names."""
    fields = _columns(rows.model, names)
    return {row.pk: _held(row, fields) for row in rows.only("pk", *(each.name for each in fields)).iterator(BATCH)}


def _columns(model: type[Model], names: Collection[str]) -> list[models.Field]:
    return [field for field in model._meta.concrete_fields if field.name in names]


def _held(row: Model, fields: Iterable[models.Field]) -> Snapshot:
    return {field.name: get_field_value(row, field) for field in fields}


def record_export(request: HttpRequest, model: type[Model], *, query: str) -> None:
    """Write down that the user of `request` took the list of `model`, filtered by `query`, away as a file."""
    actor, name = _who(request.user)
    LogEntry.objects.create(
        content_type=ContentType.objects.get_for_model(model),
        object_pk="",
        object_repr=query,
        action=LogEntry.Action.ACCESS,
        actor=actor,
        remote_addr=_where(request),
        additional_data={"operation": "export", "user": name},
    )


def record(request: HttpRequest, obj: Model, *, what: str, before: Snapshot, after: Snapshot) -> None:
    """Write down that the user of `request` did `what` to `obj`."""
    action = LogEntry.Action.UPDATE if before and after else LogEntry.Action.CREATE
    actor, name = _who(request.user)
    LogEntry.objects.log_create(
        obj,
        force_log=True,
        action=LogEntry.Action.DELETE if before and not after else action,
        actor=actor,
        remote_addr=_where(request),
        changes=difference(before, after),
        additional_data={"operation": what, "user": name, "currency": (after or before).get("currency_code")},
    )


def record_call(request: HttpRequest, obj: Model, *, before: Snapshot, after: Snapshot) -> None:
    """Write down that the caller of `request`, of the API, changed `obj` so; nothing where that is no change."""
    if difference(before, after):
        record(request, obj, what=_called(request), before=before, after=after)


def record_bulk(request: HttpRequest, model: type[Model], before: Mapping[Any, Snapshot]) -> None:
    """Write down what the caller of `request`, of the API, has changed of the rows that were `before`."""
    actor, name = _who(request.user)
    about = {
        "content_type": ContentType.objects.get_for_model(model),
        "action": LogEntry.Action.UPDATE,
        "actor": actor,
        "remote_addr": _where(request),
    }
    said = {"operation": _called(request), "user": name}
    keys = list(before)
    for first in range(0, len(keys), BATCH):
        written = []
        for key, row in model._base_manager.in_bulk(keys[first : first + BATCH]).items():
            if changes := difference(before[key], _held(row, _columns(model, before[key]))):
                data = {**said, "currency": getattr(row, "currency_code", None)}
                written.append(
                    LogEntry(object_pk=str(key), object_repr=str(row), changes=changes, additional_data=data, **about)
                )
        LogEntry.objects.bulk_create(written)


def _who(user: Any) -> tuple[Model | None, str]:
    """The member of staff, and the name, which tells who it was when the user is deleted.

    The bearer of a token may be known elsewhere alone: then the id is all that tells.
    """
    if isinstance(user, get_user_model()):
        return user, user.get_username()
    known = get_user_model().objects.filter(pk=user.actor_id).first()
    return known, str(user.actor_id or "") if known is None else known.get_username()


def _where(request: HttpRequest) -> str | None:
    """The address of who is calling. A customer's is personal, and nobody's business here."""
    return None if getattr(request.user, "lead_id", None) else client_address(request) or None


def _called(request: HttpRequest) -> str:
    """The operation of the API, as its description writes it: PATCH /plans/{id}."""
    route = re.sub(r"<\w+:(\w+)>", r"{\1}", request.resolver_match.route)
    return f"{request.method} /{route}"


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
