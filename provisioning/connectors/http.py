"""POST to EVENT_HTTP_URL, signed after Standard Webhooks (https://www.standardwebhooks.com), retried until a 2xx."""

import json
from datetime import UTC, datetime

import requests
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from standardwebhooks import Webhook

from provisioning.connectors.base import Connector, PublishError

TIMEOUT = (5, 15)  # seconds to connect, to answer
PERMANENT = frozenset({400, 410, 413, 415, 422})


class HttpConnector(Connector):
    def __init__(self):
        if settings.EVENT_HTTP_URL is None:
            raise ImproperlyConfigured("EVENT_HTTP_URL is required when EVENT_CONNECTOR names http.")
        self.url: str = settings.EVENT_HTTP_URL
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
            answer = requests.post(self.url, body.encode(), headers=headers, timeout=TIMEOUT, allow_redirects=False)
        except requests.RequestException as error:
            raise PublishError(f"The receiver cannot be reached: {type(error).__name__}.") from error
        if not 200 <= answer.status_code < 300:
            permanent = answer.status_code in PERMANENT
            raise PublishError(f"The receiver answered {answer.status_code}.", permanent=permanent)
