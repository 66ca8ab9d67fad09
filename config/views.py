"""The pages about the service itself."""

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config import health


@require_safe
def home(request) -> HttpResponse:
    """What runs here, and where to go."""
    return render(request, "home.html", {"app_name": settings.APP_NAME, "public_url": settings.PUBLIC_URL})


@require_safe
@never_cache
def ping(request) -> JsonResponse:
    """Liveness, as the reference's; request headers are not echoed."""
    return JsonResponse({"greeting": f"Hello from {settings.APP_NAME}", "date": timezone.now(), "url": "/ping"})


@require_safe
@never_cache
def healthz(request) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request) -> JsonResponse:
    """The process can work: database, migrations, cache; and how far the outbox is behind."""
    ready, found = health.report()
    return JsonResponse({"status": "ok" if ready else "unready", **found}, status=200 if ready else 503)
