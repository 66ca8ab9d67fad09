"""What a WSGI server runs: Django, spared what differs from server to server and what slow clients do."""

import gc
import os
import tempfile

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_wsgi_application()

from django.conf import settings  # noqa: E402  (only now there are any)
from django.utils.http import parse_header_parameters  # noqa: E402  (likewise)

from config.turns import Turns  # noqa: E402  (likewise)

# What is imported by now stays: the collector need not look at it again, nor as often as it does by default for what
# requests make and drop. It takes a tenth of a request's time otherwise.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)

LARGEST_UPLOAD = 8 * 1024 * 1024
"""Bytes of a body that are read ahead. What is larger no page and no endpoint takes; it is left to be refused."""
SPOOLED = 64 * 1024
"""How many of them are kept in memory; more go to a file."""
_turn = Turns(settings.WEB_THREADS)
_variables = [name for name in os.environ if name.startswith("HTTP_")]


def application(environ, start_response):
    """Answer a request once its body is there; WEB_THREADS of a process at once, in the order in which they came.

    A client that sends its body slowly so holds a thread, of which there are many, and no turn. An answer that is whole
    is given as one list, which granian sends at once; anything else it iterates over.
    """
    for name in _variables:  # granian puts the environment beside the headers: HTTP_PROXY is no header
        if environ.get(name) == os.environ.get(name):
            environ.pop(name, None)
    try:
        parse_header_parameters(environ.get("CONTENT_TYPE") or "")
    except ValueError:  # its charset is none (RFC 8187); Django would fail before there is anybody to answer
        environ["CONTENT_TYPE"] = "application/octet-stream"
    _read_ahead(environ)
    with _turn:
        response = django_application(environ, start_response)
        if getattr(response, "streaming", True):  # a wrapped file says nothing of it
            return response
        response.close()
        return [response.content]


def _read_ahead(environ) -> None:
    """Put the whole body in the place of the connection that it comes by.

    Of a chunked one, which has no length and which Django would take as empty, at most one byte more is read than is
    allowed, so that the usual check refuses what is too large.
    """
    chunked = environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked" and environ.get("wsgi.input_terminated")
    given = environ.get("CONTENT_LENGTH") or ""
    expected = settings.MAX_BODY_BYTES + 1 if chunked else int(given) if given.isdecimal() else 0
    if not 0 < expected <= LARGEST_UPLOAD:
        return
    body = tempfile.SpooledTemporaryFile(SPOOLED)  # noqa: SIM115  (it ends with the request)
    read = 0
    while read < expected and (part := environ["wsgi.input"].read(min(SPOOLED, expected - read))):
        read += body.write(part)
    body.seek(0)
    environ["wsgi.input"] = body
    if chunked:
        environ["CONTENT_LENGTH"] = str(read)
