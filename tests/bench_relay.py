"""`make bench-relay`: how many events one relay delivers a second over HTTP to a sink on this machine."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

COUNT, SUBJECTS = 5_000, 500
SINK = """
import asyncio, sys

async def answer(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            headers = dict(line.lower().split(b":", 1) for line in head.split(b"\\r\\n")[1:] if line)
            length = int(headers[b"content-length"])
            await reader.readexactly(length)
            writer.write(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()

async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()

asyncio.run(main())
"""


@contextmanager
def sink(port: int) -> Iterator[None]:
    """A receiver that answers 204 to everything, in a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", SINK, str(port)])
    try:
        yield
    finally:
        process.terminate()


def main() -> None:
    from tests import servers

    port = servers.free_port()
    os.environ |= {
        "EVENT_CONNECTOR": "http",
        "EVENT_HTTP_URL": f"http://127.0.0.1:{port}/",
        "EVENT_HTTP_SECRET": "whsec_YmVuY2htYXJrLXNpZ25pbmctc2VjcmV0LWJlbmNobWFyaw==",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    import django

    django.setup()
    from django.core.management import call_command
    from django.db.models import Max, Min

    from provisioning.models import Delivery, Event

    call_command("migrate", verbosity=0)
    subjects = [uuid.uuid4() for _ in range(SUBJECTS)]
    events = Event.objects.bulk_create(
        Event(type="TENANT_CREATED", subject=subjects[n % SUBJECTS], payload={"tenant": {"name": "x" * 300}})
        for n in range(COUNT)
    )
    Delivery.objects.bulk_create(
        Delivery(event=event, subject=event.subject, destination="bus:http") for event in events
    )
    with sink(port):
        subprocess.run([sys.executable, "manage.py", "relay", "--once"], check=True, stdout=subprocess.DEVNULL)
    done = Delivery.objects.filter(state=Delivery.State.DELIVERED)
    span = done.aggregate(begun=Min("finished_on"), ended=Max("finished_on"))
    seconds = (span["ended"] - span["begun"]).total_seconds()  # without the start of the process
    print(f"{done.count()} of {COUNT} events of {SUBJECTS} subjects in {seconds:.1f} s: {done.count() / seconds:.0f}/s")


if __name__ == "__main__":
    main()
