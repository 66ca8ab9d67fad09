"""The pages about the service itself."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from config import health
from config.api import ApiView
from config.language import in_the_readers_language
from config.serializers import Serializer


class PingSerializer(Serializer):
    greeting = serializers.CharField()
    date = serializers.DateTimeField()
    url = serializers.CharField()


class HealthSerializer(Serializer):
    status = serializers.CharField()


class ReadinessSerializer(Serializer):
    status = serializers.ChoiceField(choices=["ok", "unready"])
    database = serializers.CharField()
    migrations = serializers.CharField(required=False)
    cache = serializers.CharField(required=False)
    oldest_undelivered_seconds = serializers.FloatField(required=False)


@require_safe
@in_the_readers_language
def home(request) -> HttpResponse:
    """What runs here, and where to go."""
    return render(request, "home.html", {"signup_pages": settings.SIGNUP_PAGES, "mailbox": settings.MAILBOX})


@require_safe
@cache_control(public=True, max_age=86_400)
def brand_css(request) -> HttpResponse:
    """The colours of the brand, which an inline style may not hold."""
    return render(request, "brand.css", content_type="text/css")


class StatusView(ApiView):
    public_actions = frozenset({"get"})


class PingView(StatusView):
    @extend_schema(operation_id="ping", tags=["Status"], summary="Liveness", responses={200: PingSerializer})
    def get(self, request):
        """As the reference's; request headers are not echoed."""
        return _uncached({"greeting": f"Hello from {settings.APP_NAME}", "date": timezone.now(), "url": "/ping"})


class HealthView(StatusView):
    @extend_schema(operation_id="healthz", tags=["Status"], summary="The process", responses={200: HealthSerializer})
    def get(self, request):
        """The process answers."""
        return _uncached({"status": "ok"})


class ReadinessView(StatusView):
    @extend_schema(
        operation_id="readyz",
        tags=["Status"],
        summary="Readiness",
        responses={200: ReadinessSerializer, 503: ReadinessSerializer},
    )
    def get(self, request):
        """The process can work: database, migrations, cache; and how far the outbox is behind."""
        ready, found = health.report()
        return _uncached({"status": "ok" if ready else "unready", **found}, status=200 if ready else 503)


def _uncached(data: dict, status: int = 200) -> Response:
    return Response(data, status=status, headers={"Cache-Control": "no-store"})
