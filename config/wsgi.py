"""What a WSGI server runs."""

import gc
import io
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_wsgi_application()

from django.conf import settings  # noqa: E402  (only now there are any)

# What is imported by now stays: the collector need not look at it again, nor as often as it does by default for what
# requests make and drop. It takes a tenth of a request's time otherwise.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)


def application(environ, start_response):
    """Django's application, with two things done that differ from server to server.

    A chunked body, which has no length and which Django would take as empty, is read first: at most one byte more than
    is allowed, so that the usual check refuses what is too large. And an answer that is whole is given as one list,
    which granian sends at once; anything else it iterates over, taking the interpreter's lock for each step.
    """
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked" and environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read(settings.MAX_BODY_BYTES + 1)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    response = django_application(environ, start_response)
    if getattr(response, "streaming", True):  # a wrapped file says nothing of it
        return response
    response.close()
    return [response.content]
