"""What a relay tells Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats) on RELAY_METRICS_PORT."""

from collections.abc import Iterable

from django.db import connection
from django.db.models import Count
from prometheus_client import REGISTRY, Counter, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from provisioning.health import oldest_undelivered_seconds
from provisioning.models import Delivery

ATTEMPTS = Counter(
    "tenantry_delivery_attempts",
    "This relay's attempts, by what came of them.",
    ["destination", "state"],
)


class Backlog(Collector):
    """The outbox as the database has it when it is asked: what waits, and what was given up."""

    def collect(self) -> Iterable[Metric]:
        try:
            waiting = GaugeMetricFamily(
                "tenantry_deliveries", "Deliveries that are not done.", labels=["destination", "state"]
            )
            unfinished = Delivery.objects.filter(state__in=(Delivery.State.PENDING, Delivery.State.DEAD))
            for row in unfinished.values("destination", "state").annotate(count=Count("id")).order_by():
                waiting.add_metric([row["destination"], Delivery.State(row["state"]).word], row["count"])
            yield waiting
            yield GaugeMetricFamily(
                "tenantry_oldest_undelivered_seconds",
                "Age of the oldest delivery that is pending.",
                value=oldest_undelivered_seconds(),
            )
        finally:
            connection.close()

    def describe(self) -> Iterable[Metric]:
        return []  # or else the registry collects at once


def serve(port: int) -> None:
    """Answer on `port` of every address, from a thread of its own, until the process ends."""
    REGISTRY.register(Backlog())
    start_http_server(port)
