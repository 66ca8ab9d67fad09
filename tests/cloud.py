"""AWS, as moto plays it over HTTP: fixtures."""

import subprocess
import sys

import boto3
import pytest
import requests

from tests.servers import free_port
from tests.world import wait_until


@pytest.fixture(scope="session")
def cloud():
    """The address of a moto server."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", "from moto.server import main; import sys; main(sys.argv[1:])", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        try:
            return requests.get(f"{url}/moto-api/", timeout=5).ok
        except requests.ConnectionError:
            return False

    wait_until(is_up)
    yield url
    process.terminate()
    process.wait()


@pytest.fixture
def aws(cloud, monkeypatch, settings):
    """An empty cloud, and `AWS_ENDPOINT_URL` that points to it; `aws("sqs")` is a client."""
    requests.post(f"{cloud}/moto-api/reset", timeout=5)
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    settings.AWS_REGION = "eu-west-1"
    return lambda service: boto3.client(service, region_name="eu-west-1")
