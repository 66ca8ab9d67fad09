"""`make chaos`: the outbox and the sign-up under outages and SIGKILL. tests/test_chaos.py runs it shorter."""

import glob
import logging
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from functools import cache
from pathlib import Path

import requests

from tests.processes import ROOT, Process
from tests.receiver import SECRET, Receiver, receiving
from tests.servers import free_port
from tests.world import wait_until

# --- Processes on the database of the caller -------------------------------------------------------------------------


def variables(bus: str, **values: str) -> dict[str, str]:
    """The environment of processes that share the caller's database and publish to `bus`."""
    from django.db import connection

    return os.environ | {
        "LOG_LEVEL": "error", "DB_DATABASE": connection.settings_dict["NAME"], "EVENT_CONNECTOR": "http",
        "EVENT_HTTP_URL": bus, "EVENT_HTTP_SECRET": SECRET, "EVENT_LEASE": "3", "EVENT_BACKOFF_MAX": "2000", **values,
    }  # fmt: skip


@contextmanager
def process(*arguments: str, env: dict[str, str]) -> Iterator[subprocess.Popen]:
    """A process that is stopped when the block ends, the hard way if it must be."""
    with stopping(subprocess.Popen([sys.executable, *arguments], env=env, cwd=ROOT, stdout=subprocess.DEVNULL)) as it:
        yield it


@contextmanager
def stopping(started: subprocess.Popen | Process) -> Iterator[subprocess.Popen | Process]:
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def relaying(bus: str, **values: str):
    """A relay in a process of its own."""
    return stopping(Process("manage.py", "relay", env=variables(bus, **values)))


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


@cache
def _mail(name: str) -> tuple[str, list[tuple[str, str]]]:
    """Whom a mail is to, and the (lead id, key) that it names; nobody, where the mailbox has dropped it since."""
    try:
        mail = message_from_bytes(Path(name).read_bytes(), policy=policy.default)
    except FileNotFoundError:
        return "", []
    return mail["to"], re.findall(r"/([0-9a-f-]{36})\?code=(\w+)", mail.get_body(("plain",)).get_content())


class Customer:
    """Somebody who signs up at any of `urls` and repeats what was not answered, with its Idempotency-Key."""

    def __init__(self, number: int, urls: Sequence[str], *, plan: str, mails: Path, patience: float):
        self.number, self.urls, self.plan, self.mails = number, urls, plan, mails
        self.email = f"ada@c{number}.example"
        self.deadline = time.monotonic() + patience

    def call(self, path: str, body: dict | None = None, token: str | None = None) -> requests.Response:
        headers = {"Idempotency-Key": str(uuid.uuid4())} | ({"Authorization": f"Bearer {token}"} if token else {})
        while True:
            assert time.monotonic() < self.deadline, f"customer {self.number} waited in vain at {path}"
            try:
                answer = requests.post(random.choice(self.urls) + path, json=body, headers=headers, timeout=10)
            except requests.RequestException:
                time.sleep(0.2)
                continue
            if answer.status_code < 500 and b"REQUEST_IN_FLIGHT" not in answer.content:
                return answer
            time.sleep(0.2)

    def links(self) -> list[tuple[str, str]]:
        """(lead id, key) of every mail to this customer, the newest first."""
        names = sorted(glob.glob(f"{self.mails}/*.eml"), reverse=True)  # a name begins with the time
        return [link for name in names for to, links in [_mail(name)] if to == self.email for link in links]

    def verify(self) -> tuple[str, str]:
        """Sign up, and verify with what the mails say: the lead's id and its token.

        A key whose answer was lost is spent, so ask for another; a second sign-up may have made a second lead.
        """
        tried = set()
        while True:
            body = {"firstName": "Ada", "lastName": "L", "companyName": f"C{self.number}", "email": self.email}
            assert self.call("/leads", body).status_code == 200
            waiting = time.monotonic() + 20
            while time.monotonic() < waiting:
                for link in (each for each in self.links() if each not in tried):
                    tried.add(link)
                    answer = self.call(f"/leads/{link[0]}/verify", token=link[1])
                    if answer.status_code == 200:
                        return link[0], answer.json()["token"]
                time.sleep(0.2)

    def become_a_tenant(self) -> str:
        lead_id, token = self.verify()
        body = {"key": f"c{self.number}", "domains": [f"c{self.number}.example"]}
        created = self.call(f"/leads/{lead_id}/tenants", body, token)
        assert created.status_code == 200, created.text
        tenant_id = created.json()["id"]
        provisioned = self.call(f"/tenants/{tenant_id}/provision", {"planId": self.plan}, token)
        assert provisioned.status_code == 204, provisioned.text
        return tenant_id


def journey_settings(url: str, folder: Path) -> dict[str, str]:
    """Of a service that provisions by itself, publishes to the receiver, and mails into `folder`."""
    return {
        "PUBLIC_URL": url, "EVENT_CONNECTOR": "local,http", "EVENT_DELIVERY": "inline", "VAR_DIR": str(folder),
        "DEMO_BUILD_SECONDS": "0",
    }  # fmt: skip


def web(port: int, *, workers: int, env: dict[str, str]):
    """The web server in a process of its own, with so many workers."""
    return process("-m", "config.server", env=env | {"PORT": str(port), "WEB_CONCURRENCY": str(workers)})


def all_become_tenants(flows: int, urls: Sequence[str], folder: Path, patience: float) -> list[str]:
    """The ids of the tenants of `flows` customers, 16 at a time."""
    from tests.make import make_plan

    plan = str(make_plan().id)
    customers = [Customer(number, urls, plan=plan, mails=folder / "mail", patience=patience) for number in range(flows)]
    with ThreadPoolExecutor(16) as pool:
        return list(pool.map(Customer.become_a_tenant, customers))


def assert_nothing_lost(ids: list[str], receiver: Receiver) -> None:
    from leads.models import Lead
    from provisioning.models import Delivery, Event
    from tenants.models import Tenant, TenantStatus

    assert sorted(ids) == sorted(str(id) for id in Tenant.objects.values_list("id", flat=True)), "lost or duplicate"
    assert set(Tenant.objects.values_list("status", flat=True)) == {TenantStatus.ACTIVE}, "stuck"
    assert Lead.objects.filter(is_validated=True).count() == len(ids)
    assert not Delivery.objects.filter(state=Delivery.State.DEAD).exists()
    # Cancelled is what a killed relay had sent and not recorded before its run was over: it arrived all the same.
    left = Delivery.objects.filter(destination="bus:http").exclude(state=Delivery.State.DELIVERED)
    assert {each.event.type for each in left.select_related("event")} <= {"TENANT_PROVISIONING"}
    published = {str(id) for id in Event.objects.filter(deliveries__destination="bus:http",
                 deliveries__state=Delivery.State.DELIVERED).values_list("event_id", flat=True)}  # fmt: skip
    lost = published - set(receiver.ids())
    assert not lost, f"{len(lost)} events were lost"


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
            while not over.wait(random.uniform(0.5, 1.5) * kill_every):
                if not is_up(url):
                    continue  # on a busy machine a worker may take longer to start than that
                if random.random() < 0.5:
                    fleet.kill_one()
                    killed[1] += 1
                elif workers := _children(master.pid):
                    os.kill(random.choice(workers), signal.SIGKILL)
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


def is_up(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=5).ok
    except requests.RequestException:
        return False


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def main() -> None:
    import tempfile

    from tests import servers  # noqa: F401  (starts PostgreSQL and Redis)

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()
    from django.core.management import call_command

    logging.disable(logging.ERROR)  # it says of each poison event that it is dead
    call_command("migrate", verbosity=0)
    took = outage(events=5_000, down_for=10, patience=300)
    print(f"5,000 events, 500 of them poison, behind a receiver that was away: done {took:.0f} s after it came back")
    relays(events=10_000, patience=300)
    print("4 relays, 10,000 events: none lost, repeated or reordered")
    killed, repeats = relays(events=10_000, kill_every=2, patience=600)
    print(f"the same with {killed} relays killed: none lost or reordered, {repeats} repeated with their id")
    with tempfile.TemporaryDirectory(prefix="tenantry-chaos-") as folder:
        web, relay = sign_ups(flows=1_000, kill_every=2, folder=Path(folder), patience=1_500)
    print(f"1,000 sign-ups with {web} web workers and {relay} relays killed: none lost, duplicate or stuck")


if __name__ == "__main__":
    main()
