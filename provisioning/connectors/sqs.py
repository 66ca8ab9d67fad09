"""Amazon SQS: SendMessage to EVENT_SQS_QUEUE_URL, the JSON as body, the type as attribute; ordered on FIFO queues."""

import json

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from provisioning.connectors import aws
from provisioning.connectors.base import Connector

MAX_MESSAGE_BYTES = 256 * 1024
REFUSED = {0xFFFE: r"\ufffe", 0xFFFF: r"\uffff"}
"""What JSON may hold as it is and SQS takes escaped only (MessageBody in its API reference)."""


class SQSConnector(Connector):
    longest_attempt = aws.LONGEST_ATTEMPT

    def __init__(self):
        if not settings.EVENT_SQS_QUEUE_URL:
            raise ImproperlyConfigured("EVENT_SQS_QUEUE_URL is required when EVENT_CONNECTOR names sqs.")
        self.client = aws.client("sqs")

    def publish(self, message):
        body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).translate(REFUSED)
        aws.must_fit(len(body.encode()) + len("type" + "String" + message["type"]), MAX_MESSAGE_BYTES, "SQS")
        ordering = {}
        if settings.EVENT_SQS_QUEUE_URL.endswith(".fifo"):
            subject = (message.get("tenant") or message.get("lead") or message)["id"]
            ordering = {"MessageGroupId": subject, "MessageDeduplicationId": message["id"]}
        aws.call(
            self.client.send_message,
            QueueUrl=settings.EVENT_SQS_QUEUE_URL,
            MessageBody=body,
            MessageAttributes={"type": {"DataType": "String", "StringValue": message["type"]}},
            **ordering,
        )
