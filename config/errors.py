"""The one shape of every error (CONTRACT section 11) and the way an exception becomes it.

A refusal by the database counts as well: the constraint that was violated carries the sentence that the caller reads.
"""

import logging
import re
from collections.abc import Iterator
from http import HTTPStatus

from django.apps import apps
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, OperationalError, models
from django.http import Http404
from rest_framework import exceptions
from rest_framework.response import Response

from config.cache import REDIS_FAILURES

logger = logging.getLogger(__name__)
AWAY = (OperationalError, *REDIS_FAILURES)
NAMES = {
    400: "BadRequestError",
    401: "UnauthorizedError",
    402: "PaymentRequiredError",
    403: "ForbiddenError",
    404: "NotFoundError",
    405: "MethodNotAllowedError",
    406: "NotAcceptableError",
    409: "ConflictError",
    413: "PayloadTooLargeError",
    415: "UnsupportedMediaTypeError",
    422: "UnprocessableEntityError",
    429: "TooManyRequestsError",
    500: "InternalServerError",
    502: "BadGatewayError",
    503: "ServiceUnavailableError",
}
# JSON Schema's keyword for what DRF calls otherwise: the `code` of a detail.
DETAIL_CODES = {
    "required": "required",
    "blank": "minLength",
    "empty": "minItems",
    "max_length": "maxLength",
    "min_length": "minLength",
    "max_value": "maximum",
    "min_value": "minimum",
    "max_digits": "maximum",
    "invalid_choice": "enum",
    "null": "type",
    "not_a_list": "type",
    "not_a_dict": "type",
    "incorrect_type": "type",
}


class BadRequest(exceptions.APIException):
    """A business rule refuses the request."""

    status_code = 400
    default_detail = "The request is not acceptable."
    default_code = "bad_request"


class Unavailable(exceptions.APIException):
    """PostgreSQL or Redis is away, or broke the request off (a lock, a deadlock): it can be repeated."""

    status_code = 503
    default_detail = "The service cannot answer at the moment. Try again."
    default_code = "unavailable"
    wait = 5


class Conflict(exceptions.APIException):
    """The state of things refuses the request: not unique, or an illegal move."""

    status_code = 409
    default_detail = "The request conflicts with the present state."
    default_code = "conflict"


def body(status: int, message: str, *, code: str | None = None, details: list | None = None) -> dict:
    """The error envelope."""
    error: dict = {"statusCode": status, "name": NAMES.get(status, HTTPStatus(status).phrase), "message": message}
    if code:
        error["code"] = code
    if details is not None:
        error["details"] = details
    return {"error": error}


def exception_handler(exc: Exception, context: dict) -> Response | None:
    """What DRF calls for an exception in a view; None lets a defect of ours surface as a 500."""
    if isinstance(exc, Http404):
        exc = exceptions.NotFound()
    elif isinstance(exc, PermissionDenied):
        exc = exceptions.PermissionDenied()
    elif isinstance(exc, IntegrityError):
        constraint = violated_constraint(exc)
        if constraint is None:
            return None
        exc = Conflict(constraint.violation_error_message, code=constraint.violation_error_code or "unique")
    elif isinstance(exc, AWAY):
        reading = getattr(context["request"], "reading", None)  # of a list, where there is a replica
        if reading is not None and reading.is_repeatable:
            return None
        logger.error("PostgreSQL or Redis is away: %s", exc, exc_info=exc)
        exc = Unavailable()
    if not isinstance(exc, exceptions.APIException):
        return None
    headers = {}
    if getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = exc.auth_header
    if getattr(exc, "wait", None):
        headers["Retry-After"] = str(int(exc.wait))
    headers |= getattr(exc, "headers", {})
    return Response(envelope(exc), status=status_of(exc), headers=headers)


def status_of(exc: exceptions.APIException) -> int:
    """The status that `exc` is answered with."""
    return 422 if isinstance(exc, exceptions.ValidationError) else exc.status_code


def envelope(exc: exceptions.APIException) -> dict:
    """The envelope of one of DRF's exceptions, with a detail for each field at fault."""
    if isinstance(exc, exceptions.ValidationError):
        details = list(_details(exc.detail, ""))
        where = ", ".join(dict.fromkeys(detail["path"] or "/" for detail in details))
        return body(422, f"The request body is invalid: see {where}.", code="VALIDATION_FAILED", details=details)
    detail, code = exc.detail, exc.get_codes()
    while isinstance(detail, dict):  # simplejwt says it as a dict
        code = detail.get("code", "invalid")
        detail = detail.get("detail", "The request was refused.")
    if isinstance(detail, list):
        detail = detail[0]
    return body(status_of(exc), str(detail), code=str(code).upper())


def _details(errors, path: str) -> Iterator[dict]:
    if isinstance(errors, dict):
        for key, value in errors.items():
            step = "" if key == "non_field_errors" else "/" + str(key).replace("~", "~0").replace("/", "~1")
            yield from _details(value, path + step)
    elif isinstance(errors, list):
        for index, value in enumerate(errors):
            if isinstance(value, dict):  # the index-th element of a list of objects
                yield from _details(value, f"{path}/{index}")
            else:
                yield from _details(value, path)
    else:
        code = getattr(errors, "code", "invalid")
        yield {"path": path, "code": DETAIL_CODES.get(code, code), "message": str(errors)}


def violated_constraint(error: IntegrityError) -> models.BaseConstraint | None:
    """The declared constraint that `error` is about; None for one that no model declares (a defect of ours)."""
    diagnostics = getattr(error.__cause__, "diag", None)
    text = diagnostics.constraint_name if diagnostics else str(error)
    declared = [(model, constraint) for model in apps.get_models() for constraint in model._meta.constraints]
    if diagnostics:
        return next((constraint for _, constraint in declared if constraint.name == text), None)
    # SQLite: "CHECK constraint failed: name", "… failed: index 'name'", or "UNIQUE constraint failed: t.a, t.b".
    words = set(re.findall(r"[\w.]+", text or ""))
    for model, constraint in declared:
        columns = {f"{model._meta.db_table}.{_column(model, name)}" for name in getattr(constraint, "fields", ())}
        if constraint.name in words or (columns and columns == {word for word in words if "." in word}):
            return constraint
    return None


def _column(model: type[models.Model], name: str) -> str:
    return model._meta.get_field(name).column
