"""The ways out: EVENT_CONNECTOR names the ones in use, by these short names or by the dotted path of a class."""

from collections.abc import Mapping
from functools import lru_cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from provisioning.connectors.base import Connector

CONNECTORS = {
    "local": "provisioning.connectors.local.LocalConnector",
    "log": "provisioning.connectors.log.LogConnector",
    "http": "provisioning.connectors.http.HttpConnector",
    "eventbridge": "provisioning.connectors.eventbridge.EventBridgeConnector",
    "sqs": "provisioning.connectors.sqs.SQSConnector",
    "codebuild": "provisioning.connectors.codebuild.CodeBuildConnector",
    "redis": "provisioning.connectors.redis.RedisConnector",
    "memory": "provisioning.connectors.memory.MemoryConnector",
}


@lru_cache(maxsize=1)
def active() -> Mapping[str, Connector]:
    """The connectors that EVENT_CONNECTOR names. Raises ImproperlyConfigured for one that cannot be had."""
    return {name: _make(name) for name in settings.EVENT_CONNECTORS}


def _make(name: str) -> Connector:
    if name not in CONNECTORS and "." not in name:
        raise ImproperlyConfigured(
            f"EVENT_CONNECTOR names the unknown connector {name}; there is: {', '.join(CONNECTORS)}."
        )
    try:
        return import_string(CONNECTORS.get(name, name))()
    except ImportError as error:
        raise ImproperlyConfigured(f"EVENT_CONNECTOR: {name} cannot be imported: {error}") from error
