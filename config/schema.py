"""The OpenAPI description, worked out from the views: what drf-spectacular cannot see by itself."""

import json
from collections.abc import Iterable
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers

from config.conditions import OPERATORS, properties
from config.errors import NAMES
from config.filters import DEFAULT_LIMIT, MAX_LIMIT, MAX_WORDS
from config.serializers import ModelSerializer, included_attribute

READS = ("list", "retrieve")
LIST_LIKE = ("list", "count", "bulk_update")
CONFLICTING = ("update", "partial_update", "bulk_update", "verify")
VERBS = {
    "list": ("find{0}s", "List {1}s"),
    "count": ("count{0}s", "Count {1}s"),
    "retrieve": ("get{0}", "Read one {1}"),
    "create": ("create{0}", "Create a {1}"),
    "bulk_update": ("updateAll{0}s", "Change all {1}s that match"),
    "update": ("replace{0}", "Replace a {1}"),
    "partial_update": ("update{0}", "Change a {1}"),
    "destroy": ("delete{0}", "Delete a {1}"),
}


class CountSerializer(serializers.Serializer):
    count = serializers.IntegerField(min_value=0)


class ErrorDetailSerializer(serializers.Serializer):
    path = serializers.CharField(allow_blank=True, help_text="A JSON pointer (RFC 6901) into the body.")
    code = serializers.CharField()
    message = serializers.CharField()


class ErrorBodySerializer(serializers.Serializer):
    statusCode = serializers.IntegerField()  # noqa: N815  (the wire's spelling)
    name = serializers.CharField()
    message = serializers.CharField(help_text="One readable sentence.")
    code = serializers.CharField(required=False)
    details = ErrorDetailSerializer(many=True, required=False, help_text="Only for 422.")


class ErrorSerializer(serializers.Serializer):
    error = ErrorBodySerializer()


def model_schema(name: str, tag: str):
    """Class decorator: what the description calls the model and its group of operations."""

    def decorate(view):
        view.schema_name, view.schema_tag = name, tag
        return view

    return decorate


def including(serializer: type[ModelSerializer], *names: str, required: bool = True) -> type[ModelSerializer]:
    """For the description alone: `serializer` with these relations in the answer."""

    def get_fields(self):
        related = {}
        for name in names:
            relation = serializer.relations[name]
            related[name] = relation.serializer(
                source=included_attribute(name),
                many=relation.many,
                required=required,
                allow_null=not relation.many,
            )
        return super(made, self).get_fields() | related

    suffix = "WithParts" if required else "WithRelations"
    made = type(serializer.__name__.removesuffix("Serializer") + suffix, (serializer,), {"get_fields": get_fields})
    return made


class Schema(AutoSchema):
    def get_tags(self) -> list[str]:
        return [self.view.schema_tag] if hasattr(self.view, "schema_tag") else super().get_tags()

    @property
    def action(self) -> str:
        return getattr(self.view, "action", None) or self.method.lower()

    def get_operation_id(self) -> str:
        if hasattr(self.view, "schema_name") and self.action in VERBS:
            return VERBS[self.action][0].format(self.view.schema_name)
        return super().get_operation_id()

    def get_summary(self) -> str | None:
        if hasattr(self.view, "schema_name") and self.action in VERBS:
            noun = self.view.schema_tag.removesuffix("s").lower()
            return VERBS[self.action][1].format(self.view.schema_name, noun).replace("a invoice", "an invoice")
        return super().get_summary()

    def get_auth(self) -> list[dict[str, Any]]:
        """An empty requirement is one way of many: without a token."""
        return [*super().get_auth(), {}] if self.action in self.view.open_actions else super().get_auth()

    def get_request_serializer(self) -> Any:
        return super().get_request_serializer() if self.method in ("POST", "PUT", "PATCH") else None

    def get_response_serializers(self) -> Any:
        serializer = getattr(self.view, "serializer_class", None)
        if self.action in ("count", "bulk_update"):
            return {200: CountSerializer}
        if self.action in ("update", "partial_update", "destroy"):
            return {204: None}
        if self.action == "create":
            return {200: serializer}
        if self.action in READS and serializer.relations:
            made = with_relations(serializer)
            return {200: made(many=True) if self.action == "list" else made}
        return super().get_response_serializers()

    def get_override_parameters(self) -> list[OpenApiParameter]:
        if not hasattr(self.view, "schema_name") or self.action not in (*READS, "count", "bulk_update"):
            return self.get_parameters_of_headers()
        return list(self._query_parameters())

    @property
    def is_idempotent(self) -> bool:
        """Whether the operation knows Idempotency-Key."""
        return self.method == "POST" and self.action not in getattr(self.view, "not_idempotent", (self.action,))

    def get_parameters_of_headers(self) -> list[OpenApiParameter]:
        if not self.is_idempotent:
            return []
        text = "The same request with the same key is done once; the answer is kept for 24 hours."
        return [OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, description=text)]

    def _query_parameters(self) -> Iterable[OpenApiParameter]:
        serializer = self.view.serializer_class
        if self.action in READS:
            yield filter_parameter(serializer, self.action)
        if self.action in ("count", "bulk_update"):
            yield _json_parameter("where", _where_text(serializer))
        if self.action == "list":
            yield OpenApiParameter("limit", int, description=f"{DEFAULT_LIMIT} unless said; at most {MAX_LIMIT}.")
            yield OpenApiParameter("offset", int)
            yield OpenApiParameter("ordering", str, description="Properties, comma-separated; - turns one round.")
        if self.action in LIST_LIKE and self.view.search_fields:
            words = f"At most {MAX_WORDS} words, of which each is found in one of the texts."
            yield OpenApiParameter("search", str, description=words)
        if self.action in LIST_LIKE:
            for name in properties(serializer):
                yield OpenApiParameter(name, str, description="Exactly this value.")

    def get_operation(self, path, path_regex, path_prefix, method, registry):
        operation = super().get_operation(path, path_regex, path_prefix, method, registry)
        if operation is None:
            return None
        reference = self.resolve_serializer(ErrorSerializer, "response").ref
        for status in sorted(self._error_statuses(path, operation)):
            operation["responses"].setdefault(
                str(status),
                {"description": NAMES[status], "content": {"application/json": {"schema": reference}}},
            )
        if self.action == "list" and "200" in operation["responses"]:
            operation["responses"]["200"]["headers"] = {
                "Link": {"description": "rel=next and rel=prev (RFC 8288).", "schema": {"type": "string"}}
            }
        return operation

    def _error_statuses(self, path: str, operation: dict) -> Iterable[int]:
        if self.action in self.view.open_actions:
            yield 401
        elif self.action not in self.view.public_actions:
            yield from (401, 403)
        elif operation.get("security") or "auth/token" in path:
            yield 401
        if self.view.throttles.get(self.action):
            yield 429
        if "{id}" in path and self.action != "verify":
            yield 404
        if "requestBody" in operation:
            yield from (400, 413, 415, 422)
        if self.action in (*READS, "count", "bulk_update") or "{key}" in path:
            yield 400
        if self.is_idempotent:  # a key that is none, one in flight, one of another request
            yield from (400, 409, 422)
        yield from getattr(self.view, "error_statuses", {}).get(self.action, ())
        if self.action in CONFLICTING:
            yield 409
        if path == "/manage/users":  # an identity provider that has the name, that refuses us, or that is away
            yield from (409, 502, 503)


_made: dict[type, type] = {}


def with_relations(serializer: type[ModelSerializer]) -> type[ModelSerializer]:
    """For the description alone: `serializer` with what `include` may ask for."""
    if serializer not in _made:
        _made[serializer] = including(serializer, *serializer.relations, required=False)
    return _made[serializer]


def _json_parameter(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, description=description)


def filter_parameter(serializer, action: str = "retrieve") -> OpenApiParameter:
    return _json_parameter("filter", _filter_text(serializer, action))


def _filter_text(serializer, action: str) -> str:
    relations = ", ".join(serializer.relations) or "none"
    if action == "retrieve":
        return f"JSON: {{fields, include}}. Relations: {relations}."
    return (
        f"JSON: {{where, fields, include, order, limit, skip or offset}}, also as filter[where][…]=…. "
        f"Relations: {relations}. {_where_text(serializer)}"
    )


def _where_text(serializer) -> str:
    return (
        f"Conditions: {{property: value}} or {{property: {{operator: value}}}}, and, or. Operators: "
        f"{', '.join(OPERATORS)}. Properties: {', '.join(properties(serializer))}."
    )


# --- Examples --------------------------------------------------------------------------------------------------------

ID, MOMENT = "7c1f3b52-9a41-4f3e-8a55-0d8f1f6f2a10", "2026-01-31T09:30:00Z"
SAMPLES: dict[str, Any] = {
    "access": "eyJhbGciOiJIUzI1NiJ9.e30.signature",
    "refresh": "eyJhbGciOiJIUzI1NiJ9.e30.signature",
    "token": "eyJhbGciOiJIUzI1NiJ9.e30.signature",
    "username": "admin",
    "password": "correct horse battery staple",
    "firstName": "Ada",
    "lastName": "Lovelace",
    "companyName": "Acme Ltd",
    "name": "Acme Ltd",
    "email": "ada@acme.example",
    "key": "acme",
    "domains": ["acme.example"],
    "city": "London",
    "state": "London",
    "zip": "W1J 8NE",
    "country": "GB",
    "currencyCode": "EUR",
    "amount": 120.5,
    "price": 49,
    "number": "INV-2026-000001",
    "quantity": 1,
    "unitPrice": 101.26,
    "discountPercent": 0,
    "rate": 19,
    "taxRate": 19,
    "subtotal": 101.26,
    "net": 101.26,
    "tax": 19.24,
    "taxTotal": 19.24,
    "openAmount": 120.5,
    "paidAmount": 0,
    "creditedAmount": 0,
    "month": "2026-01",
    "features": ["Single sign-on"],
    "sizeConfig": {"cpu": 2},
    "description": "Everything that a growing team needs.",
    "appPlaneUrl": "https://acme.example",
    "configKey": "theme",
    "configValue": {"colour": "teal"},
    "metadata": {"bucket": "acme-files"},
    "externalIdentifier": "acme-files",
    "plan": {"name": "Premium", "tier": "PREMIUM"},
    "tier": "PREMIUM",
    "identityProvider": "keycloak",
    "count": 1,
    "statusCode": 422,
    "details": [{"path": "/key", "code": "pattern", "message": "Only lower-case letters and digits."}],
    "message": "The request body is invalid: see /key.",
    "code": "VALIDATION_FAILED",
    "deleted": False,
    "deletedOn": None,
    "deletedBy": None,
}


def add_examples(result: dict, generator, request, public) -> dict:
    """drf-spectacular hook: an example for every body, built from its schema."""
    components = result.get("components", {}).get("schemas", {})
    for component in components.values():
        for name, schema in component.get("properties", {}).items():
            component["properties"][name] = _with_blank(schema)
    for operations in result["paths"].values():
        for operation in operations.values():
            contents = [operation["requestBody"]] if "requestBody" in operation else []
            for status, response in operation["responses"].items():
                contents.append(response)
                if int(status) in NAMES and int(status) != 503 and "content" in response:
                    response["content"]["application/json"]["example"] = _error_example(int(status))
            for content in contents:
                for media in content.get("content", {}).values():
                    media.setdefault("example", _example(media["schema"], components))
    return result


def _with_blank(schema: dict) -> dict:
    """Without the alternative for an empty text: `one_line` matches it too, and of `oneOf` only one may match."""
    if len(schema.get("oneOf", ())) == 2 and schema["oneOf"][1] == {"type": "string", "maxLength": 0}:
        return {**{key: value for key, value in schema.items() if key != "oneOf"}, **schema["oneOf"][0]}
    return schema


def _error_example(status: int) -> dict:
    error: dict[str, Any] = {"statusCode": status, "name": NAMES[status], "message": "What is wrong, in a sentence."}
    if status == 422:
        error |= {name: SAMPLES[name] for name in ("message", "code", "details")}
    return {"error": error}


def _example(schema: dict, components: dict, name: str = "") -> Any:
    if "$ref" in schema:
        meant = components[schema["$ref"].rpartition("/")[2]]
        return _example(meant, components, "" if "properties" in meant else name)
    for combination in ("allOf", "oneOf", "anyOf"):
        if combination in schema:
            return _example(schema[combination][0], components, name)
    if name in SAMPLES:
        return json.loads(json.dumps(SAMPLES[name]))
    if "enum" in schema:
        return schema["enum"][0]
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind == "object":
        return {key: _example(value, components, key) for key, value in schema.get("properties", {}).items()}
    if schema.get("format") == "binary":
        return "PK…"
    if kind == "array":
        return [_example(schema["items"], components)]
    if kind == "string":
        formats = {"uuid": ID, "date-time": MOMENT, "date": MOMENT[:10], "uri": "https://acme.example"}
        return formats.get(schema.get("format", ""), "text")
    return {"boolean": True, "integer": schema.get("minimum", 0), "number": 1.5}[kind]
