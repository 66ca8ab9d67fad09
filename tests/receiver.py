"""A receiver of Standard Webhooks on a port of this machine, for what the http connector sends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

SECRET = "whsec_dGVzdC1zaWduaW5nLXNlY3JldC1vZi10aGUtdGVzdHM="


class Receiver:
    """Answers an event with what `status` says of it, once `gate` is open. `events` holds what came, in order.

    What is not signed with SECRET is answered 401 and is not among them.
    """

    def __init__(self, port: int):
        self.events: list[dict[str, Any]] = []
        self.status: Callable[[dict[str, Any]], int] = lambda event: 204
        self.gate = threading.Event()
        self.gate.set()
        self.server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self.server.handle_error = lambda *_: None  # a sender that was killed
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}/"

    def _handler(self):
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                try:
                    event = Webhook(SECRET).verify(body, headers)
                except WebhookVerificationError:
                    status = 401
                else:
                    receiver.events.append(event)
                    status = receiver.status(event)
                receiver.gate.wait(30)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Nobody reads its log."""

        return Handler

    def ids(self) -> list[str]:
        return [event["id"] for event in self.events]


@contextmanager
def receiving(*, port: int = 0) -> Iterator[Receiver]:
    """A receiver that runs until the block ends."""
    receiver = Receiver(port)
    thread = threading.Thread(target=receiver.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.gate.set()
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()
