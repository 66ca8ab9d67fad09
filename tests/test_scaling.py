"""The path past one machine (docs/scaling.md): several web servers and relays behind a pooler, lists from a replica."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
from django.db import connection

from identity.permissions import ALL_CODES
from identity.tokens import mint
from leads.verification import lead_token
from tenants.models import Tenant
from tests.chaos import nothing_waits
from tests.conftest import Caller
from tests.customers import all_become_tenants, assert_nothing_lost
from tests.make import make_config, make_contact, make_lead, make_tenant
from tests.running import is_up, variables, web
from tests.servers import free_port
from tests.topology import needs_pgbouncer, pgbouncer, side_by_side, standby
from tests.world import manage, wait_until

pytestmark = pytest.mark.django_db(transaction=True)
SESSIONS = 4


def sessions_of_others() -> int:
    """How many sessions the database has with others than this process."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return cursor.fetchone()[0] - connection.pool.get_stats()["pool_size"]


def race(urls: list[str], lead) -> list[int]:
    """The answers to eight requests for one lead's tenant, at both addresses at once."""
    headers = {"Authorization": f"Bearer {lead_token(lead)}"}
    domain = lead.email.partition("@")[2]

    def onboard(number: int) -> int:
        body = {"key": f"race{number}", "domains": [domain]}
        url = f"{urls[number % 2]}/leads/{lead.id}/tenants"
        return requests.post(url, json=body, headers=headers, timeout=20).status_code

    with ThreadPoolExecutor(8) as pool:
        return sorted(pool.map(onboard, range(8)))


@needs_pgbouncer
def test_two_web_servers_and_two_relays_share_a_database_behind_a_pooler(tmp_path):
    with (
        pgbouncer(connection.settings_dict["NAME"], schema="main", size=SESSIONS) as pooler,
        side_by_side(tmp_path, **pooler) as (urls, receiver),
    ):
        ids = all_become_tenants(16, urls, tmp_path, patience=120)
        wait_until(nothing_waits)
        assert 0 < sessions_of_others() <= SESSIONS
        assert_nothing_lost(ids, receiver)
        assert len(receiver.ids()) == len(set(receiver.ids())), "published twice"
        lead = make_lead()
        assert race(urls, lead) == [200] + [401] * 7
        assert Tenant.objects.filter(lead=lead).count() == 1


@needs_pgbouncer
def test_a_pooler_that_leads_to_another_schema_is_refused():
    with pgbouncer("postgres", schema=None) as pooler:
        refused = manage("migrate", **pooler | {"DB_SCHEMA": "elsewhere"})
    assert refused.returncode
    assert "connect_query='SET search_path TO elsewhere'" in refused.stderr


@pytest.fixture
def replicated(tmp_path):
    """A standby, and `ask(method, path, body, token)` of a web server that reads lists from it."""
    with standby() as replica:
        port = free_port()
        env = variables("http://127.0.0.1:9/", DB_REPLICA_HOST="127.0.0.1", DB_REPLICA_PORT=str(replica.port))
        with web(port, workers=1, env=env):
            wait_until(lambda: is_up(f"http://127.0.0.1:{port}"))

            def ask(method: str, path: str, body=None, *, token: str):
                headers = {"Authorization": f"Bearer {token}"}
                answer = requests.request(
                    method, f"http://127.0.0.1:{port}{path}", json=body, headers=headers, timeout=20
                )
                assert answer.ok, answer.text
                return answer.json() if answer.content else None

            yield replica, ask


def test_lists_come_from_the_replica_and_everything_else_from_the_primary(replicated):
    replica, ask = replicated
    writer, reader = (
        mint(subject=uuid.uuid4(), permissions=ALL_CODES, lifetime=timedelta(minutes=5)) for _ in range(2)
    )
    lead = make_lead()
    first = make_tenant(lead=lead)
    make_contact(first)
    replica.wait_for_replay()
    assert ask("GET", "/tenants/count", token=reader) == {"count": 1}

    replica.psql("SELECT pg_wal_replay_pause()")
    body = {"contact": {"firstName": "A", "lastName": "B", "email": "a@late.example", "isPrimary": True},
            "name": "Late", "key": "late", "domains": ["late.example"]}  # fmt: skip
    late = ask("POST", "/tenants", body, token=writer)["id"]
    make_contact(first)
    make_config(first)
    # Another caller's lists, and what they include, are the replica's; single objects are the primary's.
    (shown,) = ask("GET", '/tenants?filter={"include":["contacts"]}', token=reader)
    assert (shown["id"], len(shown["contacts"])) == (str(first.id), 1)
    assert ask("GET", "/tenants/count", token=reader) == {"count": 1}
    assert ask("GET", f"/tenants/{late}", token=reader)["id"] == late
    # Who has written sees it; a lead always sees all that it has.
    assert {each["id"] for each in ask("GET", "/tenants", token=writer)} == {str(first.id), late}
    assert len(ask("GET", "/tenant-configs", token=lead_token(lead))) == 1

    replica.psql("SELECT pg_wal_replay_resume()")
    replica.wait_for_replay()
    make_tenant()  # after the resumption: the writer's lists are the replica's again
    replica.wait_for_replay()
    replica.psql("SELECT pg_wal_replay_pause()")
    make_tenant()
    assert ask("GET", "/tenants/count", token=writer) == {"count": 3}
    assert ask("GET", "/tenants/count", token=reader) == {"count": 3}
    assert ask("GET", "/readyz", token=reader)["replica"] == "ok"

    replica.stop()
    assert ask("GET", "/tenants/count", token=reader) == {"count": 4}
    assert ask("GET", "/readyz", token=reader)["replica"].startswith("away")
    assert ask("GET", "/tenants/count", token=writer) == {"count": 4}


def test_a_dead_cache_fails_no_write_and_no_list(staff, settings, bus):
    """With a replica both ask the cache; `staff` calls with the middleware and the router in place."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "config.replica.ReplicaMiddleware"]
    settings.DATABASE_ROUTERS = ["config.replica.ListsFromReplica"]
    nowhere = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1"}
    working, settings.CACHES = settings.CACHES, {**settings.CACHES, "default": nowhere}
    caller = Caller(staff.token)
    body = {"contact": {"firstName": "A", "lastName": "B", "email": "a@acme.example", "isPrimary": True},
            "name": "Acme", "key": "acme", "domains": ["acme.example"]}  # fmt: skip
    answers = [caller.post("/tenants", body), caller.get("/tenants/count")]
    settings.CACHES = working
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].json() == {"count": 1}
