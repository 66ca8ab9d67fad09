"""The demo provisioner: "builds" what an event asks for and reports to /webhook, as a real one does.

Copy this file to write your own: everything that a provisioner has to know is in `provision`. It needs the event and
nothing else of this service.
"""

import hashlib
import hmac
import json
import time
from typing import Any

import requests
from django.conf import settings

from provisioning.connectors.base import Connector, PublishError

TIMEOUT = (5, 15)  # seconds to connect, to answer


class LocalConnector(Connector):
    """Provisions in this process, while the event is being delivered: what fails is tried again like any delivery."""

    def __init__(self):
        self.longest_attempt = settings.DEMO_BUILD_SECONDS + 2 * sum(TIMEOUT)  # the call of /manage/users, the callback

    def takes(self, type):
        return type in ("TENANT_PROVISIONING", "TENANT_DEPROVISIONING")

    def publish(self, message):
        try:
            provision(message, identity_provider=settings.IDENTITY_PROVIDER)
        except requests.HTTPError as error:
            status = error.response.status_code
            permanent = 400 <= status < 500 and status != 429
            raise PublishError(f"{error.request.url} answered {status}.", permanent=permanent) from error
        except requests.RequestException as error:
            raise PublishError(f"The service cannot be reached: {type(error).__name__}.") from error


def provision(event: dict[str, Any], *, identity_provider: str) -> None:
    """Build or take down one tenant's resources, set up its identity provider, and call back."""
    tenant, secret, context = event["tenant"], event["secret"], event["context"]
    building = event["type"] == "TENANT_PROVISIONING"
    time.sleep(settings.DEMO_BUILD_SECONDS)  # here a real one runs its pipeline
    if building and identity_provider:
        tier = event["subscription"]["plan"]["tier"]
        users = {"tenant": {**_named(tenant), "identityProvider": identity_provider}, "plan": {"tier": tier}}
        post(event["usersUrl"], users, secret=secret)
    result = {
        "initiatorId": tenant["id"],
        "type": 0 if building else 1,
        "data": {
            "status": 1,
            "resources": resources(tenant, event["isolation"]) if building else [],
            "appPlaneUrl": f"https://{tenant['domains'][0]}" if building and tenant["domains"] else "",
        },
    }
    post(event["callbackUrl"], result, secret=secret, context=context)


def resources(tenant: dict[str, Any], isolation: str) -> list[dict[str, Any]]:
    """What was "built": a silo has a database of its own, a pooled tenant a schema in the shared one."""
    key = tenant["key"]
    database = {"database": f"db-{key}"} if isolation == "silo" else {"database": "db-shared", "schema": key}
    return [
        {"type": "s3", "metadata": {"bucket": f"demo-{key}-{tenant['id'][:8]}"}},
        {"type": "postgres", "externalIdentifier": f"demo-{isolation}-{key}", "metadata": database},
    ]


def post(url: str, body: dict[str, Any], *, secret: str, context: str = "") -> None:
    """POST `body`, signed: hex(hmac_sha256(secret, body + context + timestamp)), without context for /manage/users.

    The very bytes that are signed must be sent. Raises requests.RequestException.
    """
    raw = json.dumps(body, separators=(",", ":")).encode()
    timestamp = str(int(time.time() * 1000))
    signature = hmac.new(secret.encode(), raw + f"{context}{timestamp}".encode(), hashlib.sha256).hexdigest()
    headers = {"content-type": "application/json", "x-timestamp": timestamp, "x-signature": signature}
    requests.post(url, raw, headers=headers, timeout=TIMEOUT, allow_redirects=False).raise_for_status()


def _named(tenant: dict[str, Any]) -> dict[str, Any]:
    contacts = [
        {name: contact[name] for name in ("firstName", "lastName", "email", "isPrimary")}
        for contact in tenant["contacts"]
    ]
    return {"id": tenant["id"], "name": tenant["name"], "key": tenant["key"], "contacts": contacts}
