"""POST to EVENT_HTTP_URL, signed after Standard Webhooks (https://www.standardwebhooks.com), retried until a 2xx."""

import json
from contextlib import suppress
from datetime import UTC, datetime

import urllib3
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from standardwebhooks import Webhook

from provisioning.connectors.base import Connector, PublishError

CONNECT, READ = 5, 15  # seconds
TIMEOUT = urllib3.Timeout(connect=CONNECT, read=READ)
MAX_BODY = 4096  # bytes
PERMANENT = frozenset({400, 410, 413, 415, 422})


class HttpConnector(Connector):
    longest_attempt = CONNECT + 2 * READ  # the status, and once of the body

    def __init__(self):
        if settings.EVENT_HTTP_URL is None:
            raise ImproperlyConfigured("EVENT_HTTP_URL is required when EVENT_CONNECTOR names http.")
        self.url: str = settings.EVENT_HTTP_URL
        # Keeps connections open, and is safe to share between threads, which a session of requests is not.
        self.pool = urllib3.PoolManager(maxsize=settings.RELAY_CONCURRENCY, timeout=TIMEOUT, retries=False)
        try:
            self.signer = Webhook(settings.EVENT_HTTP_SECRET)
        except (ValueError, RuntimeError) as error:
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
                "POST", self.url, body=body.encode(), headers=headers, redirect=False, preload_content=False
            )
        except urllib3.exceptions.HTTPError as error:
            raise PublishError(f"The receiver cannot be reached: {type(error).__name__}.") from error
        self._end(answer)
        if not 200 <= answer.status < 300:
            raise PublishError(f"The receiver answered {answer.status}.", permanent=answer.status in PERMANENT)

    @staticmethod
    def _end(answer: urllib3.BaseHTTPResponse) -> None:
        """Give the connection back where the body is short and has come, close it otherwise: the status says it all.

        One read, since each may last as long as TIMEOUT says, and a body that drips would take ever more of them.
        """
        with suppress(urllib3.exceptions.HTTPError):
            if answer.length_remaining:
                answer.read1(MAX_BODY, decode_content=False)
            if answer.length_remaining == 0:
                answer.drain_conn()
        answer.close()
