"""What a relay tells Prometheus."""

import socket

import pytest
import requests
from prometheus_client import CollectorRegistry, generate_latest

from provisioning.connectors.base import PublishError
from provisioning.metrics import Backlog
from tests.make import make_run
from tests.running import process, variables
from tests.servers import free_port
from tests.world import manage, wait_until


@pytest.mark.django_db
def test_the_backlog_is_told_by_destination_and_state(bus, relayed, monkeypatch):
    monkeypatch.setattr("provisioning.metrics.connection.close", lambda: None)  # it is the test's, too
    make_run()
    bus.failures = [PublishError("no", permanent=True)]
    relayed()
    make_run()
    registry = CollectorRegistry()
    registry.register(Backlog())
    text = generate_latest(registry).decode()
    assert 'tenantry_deliveries{destination="bus:memory",state="dead"} 1.0' in text
    assert 'tenantry_deliveries{destination="bus:memory",state="pending"} 1.0' in text
    assert "tenantry_oldest_undelivered_seconds " in text


@pytest.mark.django_db(transaction=True)
def test_a_relay_answers_on_the_port_of_its_setting():
    port = free_port()
    make_run()
    environment = variables("http://127.0.0.1:1/", EVENT_CONNECTOR="memory", RELAY_METRICS_PORT=str(port))

    def told() -> str:
        try:
            return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
        except requests.ConnectionError:
            return ""

    with process("manage.py", "relay", env=environment):
        wait_until(lambda: 'tenantry_delivery_attempts_total{destination="bus:memory",state="delivered"} 1.0' in told())


def test_a_relay_whose_port_is_taken_is_refused(tmp_path):
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        refused = manage("relay", VAR_DIR=str(tmp_path), RELAY_METRICS_PORT=str(port))
    assert refused.returncode != 0
    assert refused.stderr == f"CommandError: RELAY_METRICS_PORT {port} cannot be had: Address already in use.\n"
