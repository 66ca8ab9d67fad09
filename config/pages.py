"""The middleware that only pages need: requests to the API, most of all there are, pass it by."""

import re

from csp.constants import HEADER as POLICY_HEADER
from csp.middleware import CSPMiddleware
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest
from whitenoise.middleware import WhiteNoiseMiddleware

API = re.compile(
    r"/(leads|tenants|contacts|invoices|payments|credit-notes|tenant-configs|plans|subscriptions|billing|webhook|manage"
    r"|auth|events|ping|healthz|readyz)(/|$)"
)
"""Addresses that know their caller by a token or a signature, and show no page."""


def is_page_wanted(request: HttpRequest) -> bool:
    """Whether a person reads the answer: a browser asks for HTML, and not at an address of the API."""
    return not API.match(request.path_info) and "text/html" in request.headers.get("Accept", "")


class PagesOnly:
    """Mixed into a middleware: requests to the API pass it by."""

    def __call__(self, request):
        if API.match(request.path_info):
            return self.get_response(request)
        return super().__call__(request)


class PagePolicyMiddleware(CSPMiddleware):
    """Of an answer of the API, which is data, a browser may load and frame nothing."""

    def __call__(self, request):
        if not API.match(request.path_info):
            return super().__call__(request)
        response = self.get_response(request)
        response.headers.setdefault(POLICY_HEADER, "default-src 'none'; frame-ancestors 'none'")
        return response


class PageFilesMiddleware(PagesOnly, WhiteNoiseMiddleware):
    pass


class PageSessionMiddleware(PagesOnly, SessionMiddleware):
    pass


class PageAuthenticationMiddleware(PagesOnly, AuthenticationMiddleware):
    pass


class PageMessageMiddleware(PagesOnly, MessageMiddleware):
    pass
