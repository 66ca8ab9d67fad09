"""A proxy on a port of this machine that can fail at any request, in front of a fake, of moto, or of a live server."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "host"}


class Flaky:
    """Forwards to `upstream`. The `fail_at`-th request from now on, the first being 1, fails in the way `how` says:

    before: 503 and nothing is done. after: it is done, and the answer is 500. drop: it is done, and the connection
    closed without an answer. refuse: 401 and nothing is done. hang: nothing, for two seconds.
    """

    def __init__(self, upstream: str):
        self.upstream, self.calls, self.bodies = upstream.rstrip("/"), [], []
        self.fail_at, self.how, self.failed = 0, "", 0
        self._lock = threading.Lock()
        self.session = requests.Session()
        self.session.trust_env = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.handle_error = lambda *_: None
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def fail(self, at: int, how: str) -> None:
        self.calls, self.bodies = [], []
        self.fail_at, self.how, self.failed = at, how, 0

    def well(self) -> None:
        self.fail(0, "")

    def _fate(self, method: str, path: str) -> str:
        with self._lock:
            self.calls.append(f"{method} {path}")
            if self.fail_at and len(self.calls) == self.fail_at:
                self.failed += 1
                return self.how
        return ""

    def _handler(self):
        flaky = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                flaky.bodies.append(body)
                fate = flaky._fate(self.command, self.path)
                if fate == "before":
                    return self.answer(503, b'{"message": "out of order"}')
                if fate == "refuse":
                    return self.answer(401, b'{"error": "unauthorized", "message": "no"}')
                if fate == "hang":
                    time.sleep(2)
                    return self.hang_up()
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                found = flaky.session.request(
                    self.command, f"{flaky.upstream}{self.path}", data=body, headers=headers, timeout=30,
                    allow_redirects=False,
                )  # fmt: skip
                if fate == "after":
                    return self.answer(500, b'{"message": "broken on the way back"}')
                if fate == "drop":
                    return self.hang_up()
                kept = {name: value for name, value in found.headers.items() if name.lower() not in HOP_BY_HOP}
                return self.answer(found.status_code, found.content, kept)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

            def answer(self, status: int, content: bytes, headers: dict[str, str] | None = None):
                self.send_response_only(status)
                for name, value in (headers or {"content-type": "application/json"}).items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("content-length", str(len(content)))
                self.end_headers()
                if status != 204:
                    self.wfile.write(content)

            def hang_up(self):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

            def log_message(self, *_):
                """Nobody reads its log."""

        return Handler


@contextmanager
def flaky(upstream: str) -> Iterator[Flaky]:
    """A proxy that runs until the block ends."""
    proxy = Flaky(upstream)
    with running(proxy.server), proxy.session:
        yield proxy


@contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
