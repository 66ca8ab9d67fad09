"""Load: keep-alive connections that each send the next request as soon as the last is answered.

wrk drives what is the same request each time, where it is installed; this file drives the rest, and all elsewhere.
"""

import asyncio
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

CONNECTIONS = 16


@dataclass(frozen=True)
class Measured:
    """Requests (or flows) a second, milliseconds, and how many were not answered as expected."""

    rate: float
    p50: float
    p99: float
    errors: int
    first_error: str = ""


class Connection:
    """One HTTP/1.1 connection that is kept open."""

    def __init__(self, host: str, port: int):
        self.host, self.port = host, port

    async def open(self) -> None:
        self.reader, self.writer = await asyncio.open_connection(self.host, self.port)

    async def send(self, raw: bytes) -> tuple[int, bytes]:
        """Send a whole request; the answer's status and body."""
        self.writer.write(raw)
        head = await self.reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        found = re.search(rb"(?i)\ncontent-length: (\d+)", head)
        body = await self.reader.readexactly(int(found[1])) if found else b""
        if re.search(rb"(?i)\nconnection: close", head):
            self.writer.close()
            await self.open()
        return status, body


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1"]
    if body or method == "POST":
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def drive(url: str, work: Callable[[Connection], Awaitable[None]], seconds: float) -> Measured:
    """Let every connection do `work` again and again for `seconds`. An AssertionError counts as an error."""
    return asyncio.run(_drive(url, work, seconds))


async def _drive(url: str, work: Callable[[Connection], Awaitable[None]], seconds: float) -> Measured:
    parts = urlsplit(url)
    latencies: list[float] = []
    errors: list[str] = []
    begun = time.perf_counter()

    async def one() -> None:
        connection = Connection(parts.hostname or "", parts.port or 80)
        await connection.open()
        while time.perf_counter() - begun < seconds:
            started = time.perf_counter()
            try:
                await work(connection)
            except AssertionError as error:
                errors.append(str(error)[:300])
            else:
                latencies.append(time.perf_counter() - started)
        connection.writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    took = time.perf_counter() - begun
    latencies.sort()
    return Measured(
        rate=len(latencies) / took,
        p50=1000 * _percentile(latencies, 0.50),
        p99=1000 * _percentile(latencies, 0.99),
        errors=len(errors),
        first_error=errors[0] if errors else "",
    )


def _percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def repeat(
    url: str, path: str, *, headers: dict[str, str], body: bytes = b"", expected: int, seconds: float
) -> Measured:
    """The same request again and again: by wrk where it is installed."""
    method = "POST" if body else "GET"
    raw = request(method, path, body, **headers)

    async def work(connection: Connection) -> None:
        status, answer = await connection.send(raw)
        assert status == expected, f"{status} {answer[:200]!r}"

    if WRK is None:
        return drive(url, work, seconds)
    checked = drive(url, work, 0.2)
    return checked if checked.errors else _wrk(url + path, method, headers, body, expected, seconds)


WRK = shutil.which("wrk")
SCRIPT = """
wrk.method, wrk.body = %(method)r, %(body)r
local threads = {}
setup = function(thread) table.insert(threads, thread) end
init = function() unexpected = 0 end
response = function(status) if status ~= %(expected)d then unexpected = unexpected + 1 end end
done = function(summary, latency)
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  for _, thread in ipairs(threads) do errors = errors + thread:get("unexpected") end
  io.write(string.format("RESULT %%f %%f %%f %%d\\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, errors))
end
"""


def _wrk(url: str, method: str, headers: dict[str, str], body: bytes, expected: int, seconds: float) -> Measured:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(SCRIPT % {"method": method, "body": body.decode(), "expected": expected})
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", script.name, url]
        for name, value in {"content-type": "application/json", **headers}.items():
            command += ["-H", f"{name}: {value}"]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate, p50, p99, errors = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+)", out).groups()
    return Measured(rate=float(rate), p50=float(p50), p99=float(p99), errors=int(errors))
