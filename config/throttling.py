"""Rate limits, counted by django-ratelimit, and pauses between two of a kind, in the cache that all processes share."""

import ipaddress
import math
import time

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest
from django_ratelimit.core import get_usage
from rest_framework.exceptions import Throttled
from rest_framework.throttling import BaseThrottle


def client_address(request: HttpRequest) -> str:
    """The address of the client as the outermost trusted proxy saw it.

    With TRUSTED_PROXIES=n the n-th entry of X-Forwarded-For from the right is believed, since each of our own proxies
    appended one; anything further left is the client's own word. With 0 the header is ignored.
    """
    if settings.TRUSTED_PROXIES:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        if len(hops) >= settings.TRUSTED_PROXIES:
            return hops[-settings.TRUSTED_PROXIES]
    return request.META.get("REMOTE_ADDR", "")


def client_network(request: HttpRequest) -> str:
    """The client's address; of IPv6 the /64 network, which is what one customer of a provider is given.

    An IPv4 client that has come over IPv6 (::ffff:203.0.113.1) is one of IPv4: all of these have one /64.
    """
    try:
        address = ipaddress.ip_address(client_address(request))
    except ValueError:
        return client_address(request)[:64]
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def count_against(request, group: str, value: str, *, limit: int, seconds: int) -> None:
    """Count this request against `value`, of which `limit` are let pass in `seconds`; 0 switches the limit off.

    Raises Throttled (429, with Retry-After).
    """
    if not limit:
        return
    usage = get_usage(request._request, group=group, key=lambda *_: value, rate=f"{limit}/{seconds}s", increment=True)
    if usage is not None and usage["should_limit"]:
        raise Throttled(wait=max(1, usage["time_left"]))


def pause_after(what: str, *, seconds: int) -> None:
    """Let `what` pass, and nothing of that name for so many seconds; 0 switches that off.

    A limit of one would not do: limits count in windows of the clock, and two requests may stand close about their
    border. Raises Throttled (429, with Retry-After).
    """
    if not seconds:
        return
    now = time.time()
    if not cache.add(f"pause:{what}", now + seconds, seconds):
        raise Throttled(wait=max(1, math.ceil(cache.get(f"pause:{what}", now) - now)))


class MinuteLimit(BaseThrottle):
    """At most `settings.<setting>` requests a minute, client and endpoint; 0 switches the limit off."""

    setting: str
    usage: dict | None = None

    def allow_request(self, request, view) -> bool:
        limit = getattr(settings, self.setting)
        if not limit:
            return True
        self.usage = get_usage(
            request._request,
            group=f"{type(view).__module__}.{type(view).__name__}.{view.action_name}",
            key=lambda group, request: client_network(request),
            rate=f"{limit}/m",
            increment=True,
        )
        return self.usage is None or not self.usage["should_limit"]

    def wait(self) -> float | None:
        return max(1, self.usage["time_left"]) if self.usage else None


class PublicLimit(MinuteLimit):
    setting = "PUBLIC_API_MAX_ATTEMPTS"


class KeyCheckLimit(MinuteLimit):
    setting = "KEY_CHECK_MAX_ATTEMPTS"


class WebhookLimit(MinuteLimit):
    setting = "WEBHOOK_API_MAX_ATTEMPTS"


class LoginLimit(MinuteLimit):
    setting = "AUTH_MAX_ATTEMPTS"
