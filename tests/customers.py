"""Customers who sign up over HTTP and do not give up, and what must have become of them."""

import glob
import random
import re
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes, policy
from functools import cache
from pathlib import Path

import requests

from tests.receiver import Receiver


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
