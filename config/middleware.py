"""The request id, the hosts that are answered, and what runs under /admin/ alone.

The request id is one short name for a request in the log, in the answer's X-Request-Id and in the text of a 500.
django-guid and django-structlog do this too; the first brings a second id scheme and the second a logging framework,
for what is twenty lines here.
"""

import logging
import re
import secrets
from contextvars import ContextVar

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp_update
from django.conf import settings
from django.middleware.common import CommonMiddleware
from django.utils import translation
from django.utils.module_loading import import_string

_request_id: ContextVar[str] = ContextVar("request_id", default="-")


def request_id() -> str:
    """The id of the request being answered in this context, "-" outside of one."""
    return _request_id.get()


class RequestIdMiddleware:
    """Takes a well-formed X-Request-Id over from the proxy in front, or makes one."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        given = request.headers.get("X-Request-Id", "")
        token = _request_id.set(given if re.fullmatch(r"[\w.-]{8,64}", given, re.ASCII) else secrets.token_hex(8))
        try:
            response = self.get_response(request)
            response["X-Request-Id"] = request_id()
            return response
        finally:
            _request_id.reset(token)


class RequestIdFilter(logging.Filter):
    """Gives every log record its `request_id`."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id()
        return True


PROBED = frozenset({"/ping", "/healthz", "/readyz"})


class HostMiddleware(CommonMiddleware):
    """Refuses a host that is none of ALLOWED_HOSTS, but to probes: they name a machine or a pod, by its address."""

    def process_request(self, request):
        return None if request.path_info in PROBED else super().process_request(request)


ADMIN_POLICY = {"script-src": [SELF, UNSAFE_EVAL], "style-src-attr": [UNSAFE_INLINE]}


class AdminMiddleware:
    """Runs ADMIN_MIDDLEWARE for what is under /admin/: what only the back-office needs costs the API nothing.

    Its Content-Security-Policy lets Alpine evaluate the expressions of unfold's own templates, and set the style
    attributes that they name. No script and no style element may stand in a page, and nothing comes from elsewhere.

    The reader's language ends with the request: the thread's next one may be of the API, which is English.
    """

    def __init__(self, get_response):
        self.get_response = get_response
        chain = csp_update(ADMIN_POLICY)(get_response)
        for path in reversed(settings.ADMIN_MIDDLEWARE):
            chain = import_string(path)(chain)
        self.chain = chain

    def __call__(self, request):
        if not request.path.startswith("/admin/"):
            return self.get_response(request)
        with translation.override(translation.get_language()):
            return self.chain(request)
