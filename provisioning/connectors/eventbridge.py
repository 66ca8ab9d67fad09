"""Amazon EventBridge: PutEvents on EVENT_BUS_NAME, Source EVENT_SOURCE, DetailType the event's type."""

import json

from django.conf import settings

from provisioning.connectors import aws
from provisioning.connectors.base import Connector, PublishError

MAX_ENTRY_BYTES = 256 * 1024  # of Source, DetailType and Detail together
PERMANENT = frozenset({"MalformedDetail", "InvalidArgument", "NotAuthorizedForSourceException"})


class EventBridgeConnector(Connector):
    longest_attempt = aws.LONGEST_ATTEMPT

    def __init__(self):
        self.client = aws.client("events")

    def publish(self, message):
        detail = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        size = sum(len(text.encode()) for text in (detail, message["type"], settings.EVENT_SOURCE))
        aws.must_fit(size, MAX_ENTRY_BYTES, "EventBridge")
        entry = {
            "EventBusName": settings.EVENT_BUS_NAME,
            "Source": settings.EVENT_SOURCE,
            "DetailType": message["type"],
            "Detail": detail,
        }
        answer = aws.call(self.client.put_events, Entries=[entry])
        if answer["FailedEntryCount"]:  # the call as a whole succeeds although its entry failed
            code = answer["Entries"][0].get("ErrorCode", "unknown")
            raise PublishError(f"EventBridge refused the entry: {code}.", permanent=code in PERMANENT)
