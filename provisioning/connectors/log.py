"""A line in the log for each event, without what is nobody's business."""

import logging

from provisioning.connectors.base import Connector

logger = logging.getLogger("tenantry.events")


class LogConnector(Connector):
    def publish(self, message):
        about = message.get("tenant") or message.get("lead") or {}
        logger.info("event %s %s about %s", message["type"], message["id"], about.get("id"))
