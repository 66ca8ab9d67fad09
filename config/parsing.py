"""Request bodies: JSON, strictly, and nothing that a database could choke on later."""

import json
import math
import re
from collections.abc import Iterator
from itertools import takewhile

from django.conf import settings
from django.utils.translation import gettext as _
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.parsers import BaseParser

MAX_DEPTH = 64
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class PayloadTooLarge(APIException):
    status_code = 413
    default_detail = f"The request body is larger than {settings.MAX_BODY_BYTES} bytes."
    default_code = "payload_too_large"


def _refuse_constant(name: str):
    raise ValueError(f"{name} is not JSON.")


def _finite(number: str) -> float:
    value = float(number)
    if math.isinf(value):
        raise ValueError("A number is out of range.")
    return value


def load_json(text: str):
    """The value of a JSON text (RFC 8259). Raises ParseError for malformed, non-finite or too deep input."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ParseError(_("The JSON is malformed."), code="malformed_json") from error
    if text.count("[") + text.count("{") > MAX_DEPTH:
        for depth, *_rest in _walk(value):
            if depth > MAX_DEPTH:
                raise ParseError(_("The JSON is nested deeper than %d levels.") % MAX_DEPTH, code="malformed_json")
    return value


def _walk(value) -> Iterator[tuple[int, tuple, object]]:
    """Every value inside `value` with its depth and path, without recursion; keys count as values of their object."""
    stack: list[tuple[int, tuple, object]] = [(0, (), value)]
    while stack:
        depth, path, item = stack.pop()
        yield depth, path, item
        if isinstance(item, dict):
            stack += [(depth + 1, path, key) for key in item]
            stack += [(depth + 1, (*path, key), child) for key, child in item.items()]
        elif isinstance(item, list):
            stack += [(depth + 1, (*path, index), child) for index, child in enumerate(item)]


def unstorable_path(value) -> tuple | None:
    """Where `value` holds a text with NUL or a lone surrogate, which PostgreSQL and UTF-8 cannot hold; else None.

    Of a key that is such a text, and of all inside it, where the object is: the path itself can be stored.
    """
    for _depth, path, item in _walk(value):
        if isinstance(item, str) and _UNSTORABLE.search(item):
            return tuple(takewhile(lambda step: not isinstance(step, str) or not _UNSTORABLE.search(step), path))
    return None


class StrictJSONParser(BaseParser):
    """application/json in UTF-8; an empty body is an empty object."""

    media_type = "application/json"

    def parse(self, stream, media_type=None, parser_context=None):
        body = stream.read()
        if not body.strip():
            return {}
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ParseError(_("The body is not UTF-8."), code="malformed_json") from error
        value = load_json(text)
        if "\\u" in text and (path := unstorable_path(value)) is not None:
            errors: object = ["The text holds a NUL or a lone surrogate."]
            for step in reversed(path):
                errors = {step: errors}
            raise ValidationError(errors if path else {"non_field_errors": errors}, code="unstorable")
        return value
