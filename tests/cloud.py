"""AWS, as moto plays it over HTTP, and EventBridge in trouble, which moto never is."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
import requests

from tests.flaky import running
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


class Bus:
    """EventBridge: answers a call of PutEvents with the error that `error` names, or takes it where that is empty.

    `calls` counts them, `taken` holds what was, in order.
    """

    def __init__(self):
        self.error: Callable[[], str] = str
        self.taken: list[dict[str, Any]] = []
        self.calls = 0
        self.server = Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def _handler(self):
        bus = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                (entry,) = json.loads(self.rfile.read(int(self.headers["content-length"])))["Entries"]
                bus.calls += 1
                if error := bus.error():
                    return self.answer(500 if error == "InternalException" else 400, {"__type": error})
                bus.taken.append(json.loads(entry["Detail"]))
                return self.answer(200, {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]})

            def answer(self, status: int, content: dict[str, Any]):
                body = json.dumps(content).encode()
                self.send_response_only(status)
                self.send_header("content-type", "application/x-amz-json-1.1")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Nobody reads its log."""

        return Handler


class Server(ThreadingHTTPServer):
    request_queue_size = 100  # all hands at once

    def handle_error(self, *_):
        """A caller whose time was over."""


@contextmanager
def bus_in_trouble() -> Iterator[Bus]:
    """A Bus that runs until the block ends."""
    bus = Bus()
    with running(bus.server):
        yield bus
