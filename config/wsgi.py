"""What a WSGI server runs."""

import io
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django_application = get_wsgi_application()

from django.conf import settings  # noqa: E402  (only now there are any)


def application(environ, start_response):
    """Django's application; a chunked body, which has no length and which Django would take as empty, is read first.

    At most one byte more than is allowed is read, so that the usual check refuses what is too large.
    """
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked" and environ.get("wsgi.input_terminated"):
        body = environ["wsgi.input"].read(settings.MAX_BODY_BYTES + 1)
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    return django_application(environ, start_response)
