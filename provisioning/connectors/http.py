"""POST to EVENT_HTTP_URL, signed after Standard Webhooks (https://www.standardwebhooks.com), retried until a 2xx."""

import io
import json
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPResponse

import urllib3
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from provisioning.connectors.base import Connector, PublishError

CONNECT, READ = 5, 15  # seconds
TIMEOUT = urllib3.Timeout(connect=CONNECT, read=READ)
MAX_BODY = 4096  # bytes
PERMANENT = frozenset({400, 410, 413, 415, 422})


class InTime(io.RawIOBase):
    """What comes from `sock` before its time-out is over, which by itself would begin anew with each piece."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket):
        self.raw, self.sock, self.end = raw, sock, time.monotonic() + sock.gettimeout()

    def readable(self):
        return True

    def readinto(self, buffer):
        left = self.end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.sock.settimeout(left)
        return self.raw.readinto(buffer)

    def close(self):
        self.raw.close()
        super().close()


class WholeAnswer(HTTPResponse):
    """An answer that has to be there, its head too, within the time that urllib3 gives each of its pieces."""

    def __init__(self, sock, *args, **kwargs):
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(InTime(self.fp.detach(), sock))


class HttpConnector(Connector):
    longest_attempt = 4 * CONNECT + READ  # to connect, for TLS, and to send a head and a body; the answer

    def __init__(self):
        if settings.EVENT_HTTP_URL is None:
            raise ImproperlyConfigured("EVENT_HTTP_URL is required when EVENT_CONNECTOR names http.")
        self.target = urllib3.util.parse_url(settings.EVENT_HTTP_URL).request_uri
        # Keeps connections open, and is safe to share between threads, which a session of requests is not.
        self.pool = urllib3.connection_from_url(
            settings.EVENT_HTTP_URL, maxsize=settings.RELAY_CONCURRENCY, timeout=TIMEOUT, retries=False
        )
        self.pool.ConnectionCls = type("Connection", (self.pool.ConnectionCls,), {"response_class": WholeAnswer})
        try:
            self.signer = Webhook(settings.EVENT_HTTP_SECRET)
        except (ValueError, RuntimeError, EmptyWebhookSecretError) as error:
            raise ImproperlyConfigured("EVENT_HTTP_SECRET must be a secret of Standard Webhooks: whsec_….") from error

    def publish(self, message):
        now = datetime.now(UTC)
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        headers = {
            "content-type": "application/json",
            "webhook-id": message["id"],
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self.signer.sign(message["id"], now, body),
        }
        try:
            answer = self.pool.request(
                "POST", self.target, body=body.encode(), headers=headers, redirect=False, preload_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise PublishError(f"The receiver cannot be reached: {type(error).__name__}.") from error
        self._end(answer)
        if not 200 <= answer.status < 300:
            raise PublishError(f"The receiver answered {answer.status}.", permanent=answer.status in PERMANENT)

    @staticmethod
    def _end(answer: urllib3.BaseHTTPResponse) -> None:
        """Give the connection back where the body is short and has come, close it otherwise: the status says it all.

        One read: nobody waits for one that drips.
        """
        with suppress(urllib3.exceptions.HTTPError):
            if answer.length_remaining:
                answer.read1(MAX_BODY, decode_content=False)
            if answer.length_remaining == 0:
                answer.drain_conn()
        answer.close()
