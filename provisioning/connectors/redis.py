"""A Redis stream: XADD to EVENT_REDIS_STREAM, with the fields id, type and event (the JSON). Its length is bounded."""

import json
from typing import Any

import redis
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from provisioning.connectors.base import Connector, PublishError

CONNECT, READ = 5, 10  # seconds
MAX_LENGTH = 100_000  # entries; about, which lets Redis trim in whole blocks


class RedisConnector(Connector):
    longest_attempt = CONNECT + READ

    def __init__(self):
        if not settings.REDIS_URL:
            raise ImproperlyConfigured("REDIS_HOST or REDIS_URL is required when EVENT_CONNECTOR names redis.")
        self.client = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=READ, socket_connect_timeout=CONNECT)

    def publish(self, message):
        fields: dict[Any, Any] = {
            "id": message["id"],
            "type": message["type"],
            "event": json.dumps(message, ensure_ascii=False, separators=(",", ":")),
        }
        try:
            self.client.xadd(settings.EVENT_REDIS_STREAM, fields, maxlen=MAX_LENGTH, approximate=True)
        except (redis.ConnectionError, redis.TimeoutError, redis.exceptions.ReadOnlyError) as error:
            raise PublishError(f"Redis cannot be reached: {type(error).__name__}.") from error
        except redis.ResponseError as error:  # the key is no stream, or memory is full: an operator has to look
            raise PublishError(f"Redis refused: {error}.") from error
