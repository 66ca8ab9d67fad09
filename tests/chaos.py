"""`make chaos`: the outbox and the sign-up under outages and SIGKILL. tests/test_chaos.py runs it shorter."""

import logging
import math
import os
import random
import signal
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.customers import all_become_tenants, assert_nothing_lost, journey_settings
from tests.receiver import Receiver, receiving
from tests.running import is_up, relaying, variables, web
from tests.servers import free_port
from tests.world import wait_until

CRASH_LOOP_SECONDS = 8
"""granian takes a worker that dies sooner than that after it was started again for a crash loop, and exits."""


class Relays:
    """`count` relays; `kill_one` kills a random one, and another takes its place."""

    def __init__(self, stack: ExitStack, count: int, start: Callable[[], contextmanager]):
        self.stack, self.start = stack, start
        self.running = [stack.enter_context(start()) for _ in range(count)]

    def kill_one(self) -> None:
        victim = self.running.pop(random.randrange(len(self.running)))
        victim.kill()
        victim.wait()
        self.running.append(self.stack.enter_context(self.start()))


# --- Events that wait ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Written:
    """The ids of events as they were written, by subject; and which of them no receiver will take."""

    by_subject: dict[str, list[str]]
    poison: frozenset[str]

    def healthy(self) -> dict[str, list[str]]:
        left = {subject: [id for id in ids if id not in self.poison] for subject, ids in self.by_subject.items()}
        return {subject: ids for subject, ids in left.items() if ids}


def write_events(count: int, *, subjects: int, poison_every: int = 0) -> Written:
    from provisioning.models import Delivery, Event

    names = [uuid.uuid4() for _ in range(subjects)]
    events = Event.objects.bulk_create(
        (Event(type="TENANT_CREATED", subject=names[n % subjects],
               payload={"tenant": {"id": str(names[n % subjects])}}) for n in range(count)),
        batch_size=1000,
    )  # fmt: skip
    Delivery.objects.bulk_create(
        (Delivery(event=event, subject=event.subject, destination="bus:http") for event in events), batch_size=1000
    )
    by_subject = defaultdict(list)
    for event in events:
        by_subject[str(event.subject)].append(str(event.event_id))
    poison = events[::poison_every] if poison_every else []
    return Written(dict(by_subject), frozenset(str(event.event_id) for event in poison))


def nothing_waits() -> bool:
    from provisioning.models import Delivery

    return not Delivery.objects.filter(state=Delivery.State.PENDING).exists()


def arrived(receiver: Receiver) -> dict[str, list[str]]:
    """The ids as they came, by subject."""
    result = defaultdict(list)
    for event in receiver.events:
        result[event["tenant"]["id"]].append(event["id"])
    return dict(result)


def without_repeats(ids: list[str]) -> list[str]:
    """`ids` without those that follow themselves: a repeat that comes late stays, and so breaks the order."""
    return [id for id, before in zip(ids, [None, *ids], strict=False) if id != before]


# --- What is tried ---------------------------------------------------------------------------------------------------


def outage(*, events: int, down_for: float, patience: float) -> float:
    """One relay, a receiver that is away at first, every tenth event poison; how many seconds all took after it."""
    from provisioning.models import Delivery

    written = write_events(events, subjects=max(10, events // 10), poison_every=10)
    port = free_port()
    with relaying(f"http://127.0.0.1:{port}/"):
        wait_until(Delivery.objects.filter(attempts__gt=0).exists)
        time.sleep(down_for)
        with receiving(port=port) as receiver:
            receiver.status = lambda event: 422 if event["id"] in written.poison else 204
            back = time.monotonic()
            wait_until(nothing_waits, patience)
            took = time.monotonic() - back
            came = arrived(receiver)
    assert came == written.by_subject, "lost, repeated or reordered"
    dead = Delivery.objects.filter(state=Delivery.State.DEAD)
    assert {str(id) for id in dead.values_list("event__event_id", flat=True)} == written.poison
    return took


def relays(*, events: int, count: int = 4, kill_every: float | None = None, patience: float) -> tuple[int, int]:
    """`count` relays at once, one killed and replaced every `kill_every` seconds; how many were killed, and repeats.

    On a busy machine a relay may take longer to start than that: the next is only killed after something has arrived.
    """
    written = write_events(events, subjects=max(10, events // 50))
    killed = seen = 0
    with receiving() as receiver, ExitStack() as stack:
        fleet = Relays(stack, count, lambda: relaying(receiver.url))
        deadline = time.monotonic() + patience
        while not nothing_waits():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(kill_every or 0.2)
            if kill_every and len(receiver.events) > seen:
                seen = len(receiver.events)
                fleet.kill_one()
                killed += 1
    came = arrived(receiver)
    if kill_every:
        assert {subject: without_repeats(ids) for subject, ids in came.items()} == written.by_subject
    else:
        assert came == written.by_subject, "lost, repeated or reordered"
    return killed, len(receiver.events) - events


def sign_ups(*, flows: int, kill_every: float, folder: Path, patience: float) -> tuple[int, int]:
    """`flows` customers while web workers and the relay are killed; how many of each were killed."""
    from django.core.management import call_command

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = journey_settings(url, folder)
    killed = [0, 0]
    over = threading.Event()
    with receiving() as receiver, ExitStack() as stack:
        master = stack.enter_context(web(port, workers=2, env=variables(receiver.url, **settings)))
        fleet = Relays(stack, 1, lambda: relaying(receiver.url, **settings))
        wait_until(lambda: is_up(url))

        def kill_at_random() -> None:
            respawned = -math.inf
            while not over.wait(random.uniform(0.5, 1.5) * kill_every):
                if not is_up(url):
                    continue  # on a busy machine a worker may take longer to start than that
                if time.monotonic() - respawned < CRASH_LOOP_SECONDS or random.random() < 0.5:
                    fleet.kill_one()
                    killed[1] += 1
                else:
                    os.kill(random.choice(_children(master.pid)), signal.SIGKILL)
                    respawned = time.monotonic()
                    killed[0] += 1

        killer = threading.Thread(target=kill_at_random)
        killer.start()
        try:
            ids = all_become_tenants(flows, [url], folder, patience)
        finally:
            over.set()
            killer.join()
        wait_until(nothing_waits, 60)
        call_command("reconcile", verbosity=0)
        wait_until(nothing_waits, 60)
    assert_nothing_lost(ids, receiver)
    return killed[0], killed[1]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def main() -> None:
    import tempfile

    from tests import servers  # noqa: F401  (starts PostgreSQL and Redis)

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()
    from django.core.management import call_command

    from provisioning.models import Event

    logging.disable(logging.ERROR)  # it says of each poison event that it is dead
    call_command("migrate", verbosity=0)
    took = outage(events=5_000, down_for=10, patience=300)
    print(f"5,000 events, 500 of them poison, behind a receiver that was away: done {took:.0f} s after it came back")
    relays(events=10_000, patience=300)
    print("4 relays, 10,000 events: none lost, repeated or reordered")
    killed, repeats = relays(events=10_000, kill_every=2, patience=600)
    print(f"the same with {killed} relays killed: none lost or reordered, {repeats} repeated with their id")
    Event.objects.all().delete()  # the poison is none that customers lost
    with tempfile.TemporaryDirectory(prefix="tenantry-chaos-") as folder:
        web, relay = sign_ups(flows=1_000, kill_every=2, folder=Path(folder), patience=1_500)
    print(f"1,000 sign-ups with {web} web workers and {relay} relays killed: none lost, duplicate or stuck")


if __name__ == "__main__":
    main()
