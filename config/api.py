"""What every endpoint of the API has in common: the order of its checks, and the operations on a model.

The order is: method, size of the body, rate limit, then who is calling and what that may do. A caller over its limit
costs neither a signature check nor a query.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from django.urls import URLPattern, path, register_converter
from django.urls.converters import UUIDConverter
from django.utils.http import urlencode
from rest_framework import status
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.generics import GenericAPIView
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.viewsets import GenericViewSet

from config import audit, filters
from config.errors import BadRequest
from config.parsing import PayloadTooLarge
from config.serializers import ModelSerializer


class AnyCaseUUIDConverter(UUIDConverter):
    """A UUID in either letter case (RFC 9562, section 4); any other text is an address where nothing is."""

    regex = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"


register_converter(AnyCaseUUIDConverter, "id")


class JSONAlways(BaseContentNegotiation):
    """Answers are JSON whatever Accept says, as the reference's are."""

    def select_parser(self, request, parsers):
        given = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == given), None)

    def select_renderer(self, request, renderers, format_suffix=None):
        return renderers[0], renderers[0].media_type


class ApiMixin:
    """The checks before a handler, as data: for each action (of a plain view: lower-case method) the permission codes
    of which a caller needs one and the rate limit; `public_actions` need no token, `open_actions` show more to one.
    """

    permission_codes: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    throttles: ClassVar[Mapping[str, type[BaseThrottle]]] = {}
    public_actions: ClassVar[frozenset[str]] = frozenset()
    open_actions: ClassVar[frozenset[str]] = frozenset()
    content_negotiation_class = JSONAlways
    http_method_names: ClassVar = ["get", "post", "put", "patch", "delete", "head"]

    def initial(self, request, *args, **kwargs):
        self.format_kwarg = None
        request.accepted_renderer, request.accepted_media_type = self.perform_content_negotiation(request)
        if getattr(self, request.method.lower(), None) is None or request.method not in self.allowed_methods:
            raise MethodNotAllowed(request.method)
        if int(request.META.get("CONTENT_LENGTH") or 0) > settings.MAX_BODY_BYTES:
            raise PayloadTooLarge
        self.check_throttles(request)
        self.perform_authentication(request)
        self.check_permissions(request)

    @property
    def action_name(self) -> str:
        """The action, also while DRF is still asking for authenticators and has not set it. A HEAD is a GET."""
        method = self.request.method.lower().replace("head", "get") if self.request else ""
        return getattr(self, "action", None) or (getattr(self, "action_map", None) or {}).get(method, method)

    def get_authenticators(self):
        return [] if self.action_name in self.public_actions else super().get_authenticators()

    def get_permissions(self):
        return [] if self.action_name in self.public_actions | self.open_actions else super().get_permissions()

    def get_throttles(self):
        return [self.throttles[self.action_name]()] if self.action_name in self.throttles else []

    def get_authenticate_header(self, request) -> str:
        return 'Bearer realm="api"'

    def valid(self, serializer_class, **kwargs) -> dict[str, Any]:
        """The validated body. Raises ValidationError (422)."""
        serializer = serializer_class(data=self.request.data, context=self.get_serializer_context(), **kwargs)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


class ApiView(ApiMixin, GenericAPIView):
    """An endpoint that is no model's."""


class ApiViewSet(ApiMixin, GenericViewSet):
    """The operations of CONTRACT section 4 on one model. What a caller may see is decided in `get_queryset` alone."""

    serializer_class: type[ModelSerializer]
    search_fields: ClassVar[tuple[str, ...]] = ()
    lookup_field = "id"

    @property
    def model(self):
        return self.serializer_class.Meta.model

    def get_queryset(self):
        return self.model.objects.visible_to(self.request.user)

    def found(self, **kwargs):
        """The object that the address names. Raises Http404, also for one that the caller may not know of."""
        found = self.get_queryset().filter(**kwargs).first()
        if found is None:
            raise Http404
        return found

    def shown(self, instance, selection=None) -> dict[str, Any]:
        context = self.get_serializer_context()
        if selection is not None:
            context["selection"] = selection
        return self.serializer_class(instance, context=context).data

    @contextmanager
    def audited(self, instance) -> Iterator[None]:
        """A transaction, with the difference that it makes to `instance` in the audit log."""
        with transaction.atomic():
            before = audit.snapshot(self.held(instance), lock=True)
            yield
            audit.record_call(self.request, instance, before=before, after=audit.snapshot(instance))

    def held(self, instance):
        """The instance, behind the locks that are taken before its own."""
        return instance

    def hold_all(self, queryset: QuerySet) -> None:
        """Lock the rows, and before them what is locked before."""
        queryset.lock()

    def list(self, request) -> Response:
        wanted = filters.read_filter(request.query_params, self.serializer_class, self.search_fields)
        limit = wanted.limit or filters.DEFAULT_LIMIT
        queryset = filters.apply(wanted, self.get_queryset(), self.serializer_class, request.user)
        rows = list(filters.page(queryset, wanted.offset, limit + 1))
        context = {**self.get_serializer_context(), "selection": wanted.selection}
        serializer = self.serializer_class(context=context)
        answer = Response([serializer.to_representation(row) for row in rows[:limit]])
        links = []
        if len(rows) > limit:
            links.append(self._link("next", limit, wanted.offset + limit))
        if wanted.offset:
            links.append(self._link("prev", limit, max(0, wanted.offset - limit)))
        if links:
            answer["Link"] = ", ".join(links)
        return answer

    def _link(self, relation: str, limit: int, offset: int) -> str:
        """A link to another page (RFC 8288): the same query, with limit and offset replaced."""
        query = {**dict(self.request.query_params.lists()), "limit": limit, "offset": offset}
        base = f"{settings.PUBLIC_URL}{self.request.path}"
        return f'<{base}?{urlencode(sorted(query.items()), doseq=True)}>; rel="{relation}"'

    def count(self, request) -> Response:
        where = filters.read_where(request.query_params, self.serializer_class, self.search_fields)
        return Response({"count": self.get_queryset().filter(where).count()})

    def retrieve(self, request, id) -> Response:
        wanted = filters.read_filter(request.query_params, self.serializer_class, self.search_fields)
        filters.must_be_of_one(wanted)
        queryset = filters.apply(wanted, self.get_queryset(), self.serializer_class, request.user)
        found = next(iter(queryset.filter(id=id).order_by()), None)
        if found is None:
            raise Http404
        return Response(self.shown(found, wanted.selection))

    def create(self, request) -> Response:
        values = self.valid(self.serializer_class)
        with transaction.atomic():
            created = self.perform_create(values)
            audit.record_call(self.request, created, before={}, after=audit.snapshot(created))
        return Response(self.shown(created))

    def perform_create(self, values: dict[str, Any]):
        actor = self.request.user.actor_id
        return self.model.objects.create(**values, created_by=actor, modified_by=actor)

    def bulk_update(self, request) -> Response:
        where = filters.read_where(request.query_params, self.serializer_class, self.search_fields)
        if not where:
            raise BadRequest("A bulk change needs a condition: say where.")
        values = self.valid(self.serializer_class, partial=True)
        rows = self.get_queryset().filter(where)
        if not values:
            return Response({"count": rows.count()})
        with transaction.atomic():
            self.hold_all(rows)
            before = audit.snapshots(rows, values)
            count = self.perform_bulk_update(rows, values)
            audit.record_bulk(request, self.model, before)
        return Response({"count": count})

    def perform_bulk_update(self, queryset: QuerySet, values: dict[str, Any]) -> int:
        return queryset.audited_update(actor=self.request.user.actor_id, **values)

    def update(self, request, id, *, partial: bool = False) -> Response:
        found = self.found(id=id)
        values = self.valid(self.serializer_class, instance=found, partial=partial)
        with self.audited(found):
            self.perform_update(found, values)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def perform_update(self, instance, values: dict[str, Any]) -> None:
        """Write the given columns and no others, so that a change made meanwhile elsewhere is not undone."""
        for name, value in values.items():
            setattr(instance, name, value)
        instance.modified_by = self.request.user.actor_id
        instance.save(update_fields=[*values, "modified_by"])

    def partial_update(self, request, id) -> Response:
        return self.update(request, id, partial=True)

    def destroy(self, request, id) -> Response:
        with self.audited(self.found(id=id)):
            if not self.get_queryset().filter(id=id).soft_delete(actor=request.user.actor_id):
                raise Http404
        return Response(status=status.HTTP_204_NO_CONTENT)


def crud_codes(*, create: str, update: str, delete: str, view: str) -> dict[str, tuple[str, ...]]:
    """`permission_codes` of a model with all operations."""
    return {
        "list": (view,),
        "count": (view,),
        "retrieve": (view,),
        "create": (create,),
        "bulk_update": (update,),
        "update": (update,),
        "partial_update": (update,),
        "destroy": (delete,),
    }


COLLECTION = {"get": "list", "post": "create", "patch": "bulk_update"}
ELEMENT = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}


def crud_routes(prefix: str, viewset: type[ApiViewSet], *, without: tuple[str, ...] = ()) -> list[URLPattern]:
    """The addresses of one model, without the trailing slash that DRF's routers add.

    `without` names operations that do not exist: their methods answer 405.
    """

    def view(actions: Mapping[str, str]):
        return viewset.as_view({method: name for method, name in actions.items() if name not in without})

    return [
        path(prefix, view(COLLECTION), name=prefix),
        path(f"{prefix}/count", view({"get": "count"}), name=f"{prefix}-count"),
        path(f"{prefix}/<id:id>", view(ELEMENT), name=f"{prefix}-detail"),
    ]
