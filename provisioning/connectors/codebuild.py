"""AWS CodeBuild: StartBuild of the project that the event's pipeline names, for events that ask for a build."""

import json

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from provisioning.connectors import aws
from provisioning.connectors.base import Connector


class CodeBuildConnector(Connector):
    """SILOED_PIPELINE is the project for PREMIUM, POOLED_PIPELINE for the other tiers."""

    longest_attempt = aws.LONGEST_ATTEMPT

    def __init__(self):
        for name in ("SILOED_PIPELINE", "POOLED_PIPELINE"):
            if not getattr(settings, name):
                raise ImproperlyConfigured(f"{name} is required when EVENT_CONNECTOR names codebuild.")
        self.client = aws.client("codebuild")

    def takes(self, type):
        return type in ("TENANT_PROVISIONING", "TENANT_DEPROVISIONING")

    def publish(self, message):
        """The event's id is the idempotency token: within five minutes AWS starts one build for it (StartBuild)."""
        size = message["subscription"].get("plan", {}).get("sizeConfig")
        variables = {
            **(size if isinstance(size, dict) else {}),
            "type": message["type"],
            "callbackUrl": message["callbackUrl"],
            "usersUrl": message["usersUrl"],
            "tenant": message["tenant"],
            "secret": message["secret"],
            "context": message["context"],
        }
        aws.call(
            self.client.start_build,
            projectName=message["pipeline"],
            idempotencyToken=message["id"],
            environmentVariablesOverride=[
                {"name": name, "value": _text(value), "type": "PLAINTEXT"} for name, value in variables.items()
            ],
        )


def _text(value) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
