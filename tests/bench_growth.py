"""`make bench-growth`: what lists, single tenants, counts and the onboarding cost as the data grows.

One database for each size, each with a service in the production set-up of tests/bench.py. All are measured in turn,
several short times and in another order each time, so that a machine whose speed wanders does so for all sizes alike;
the median counts.
"""

import argparse
import hashlib
import itertools
import json
import os
import random
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from statistics import median

import psycopg

from tests import plots
from tests.bench import LOOP, OUTPUT, Operations, loop_seconds, write_json
from tests.load import Connection, Measured, drive, request
from tests.production import prepare, seed, serve, staff_token
from tests.servers import free_port

TITLES = {
    "d": "GET /tenants, the first 20",
    "e": "GET /tenants/{id}, any of them",
    "f": "the first 20 with contacts",
    "t": "POST /leads/{id}/tenants",
    "h": "GET /tenants/count",
}
SIZES = "1000,10000,100000,1000000"
LEADS = 20_000
"""How many are ready to be onboarded in each database."""


class Growing(Operations):
    def __init__(self, size: int, *args):
        super().__init__(*args)
        self.size = size
        self.leads = itertools.count(1)

    def e(self) -> Measured:
        async def work(connection: Connection) -> None:
            await self.ask(
                connection, request("GET", f"/tenants/{_id('t', random.randint(1, self.size))}", **self.bearer)
            )

        return drive(self.url, work, self.seconds)

    def t(self) -> Measured:
        async def work(connection: Connection) -> None:
            number = next(self.leads)
            assert number <= LEADS, "there are no more leads"
            token = _lead_token(_id("o", number))
            body = json.dumps({"key": f"o{number}", "domains": [f"o{number}.example"]}).encode()
            raw = request("POST", f"/leads/{_id('o', number)}/tenants", body, authorization=f"Bearer {token}")
            await self.ask(connection, raw)

        return drive(self.url, work, self.seconds)


def _id(prefix: str, number: int) -> uuid.UUID:
    """As the seed makes them: md5('t' || n)::uuid."""
    return uuid.UUID(hashlib.md5(f"{prefix}{number}".encode()).hexdigest())


def _lead_token(id: uuid.UUID) -> str:
    from leads.models import Lead
    from leads.verification import lead_token

    return lead_token(Lead(id=id))


def write_leads() -> None:
    """Validated leads without a tenant."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO leads (id, first_name, last_name, company_name, email, is_validated, created_on, "
            "modified_on, deleted) SELECT md5('o' || n)::uuid, 'A', 'B', 'C', 'ada@o' || n || '.example', true, "
            f"now(), now(), false FROM generate_series(1, {LEADS}) n"
        )


def grow_through(sizes: list[int]) -> Iterator[tuple[int, str]]:
    """Sizes, each with a database of its own: the one that Django is connected to grows, and copies of it are left."""
    from django.db import connection

    template = connection.settings_dict["NAME"]
    before = 0
    for size in sizes:
        seed(before + 1, size, contacts=1, without=("resources", "invoices"))
        before = size
        yield size, f"growth_{size}"
        connection.close()
        connection.close_pool()  # nobody may be connected to what is copied
        with psycopg.connect(
            host=os.environ["DB_HOST"], port=os.environ["DB_PORT"], user="postgres", dbname="template1", autocommit=True
        ) as session:
            session.execute(f"CREATE DATABASE growth_{size} TEMPLATE {template} STRATEGY file_copy")


def plans(size: int, token: str) -> str:
    """What the statements of each operation do, and what they touch, in the database that Django is connected to."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    client, staff = Client(SERVER_NAME="127.0.0.1"), {"authorization": f"Bearer {token}"}
    lead = _id("o", LEADS - size % 7)
    calls = {
        "d": lambda: client.get("/tenants", {"filter": '{"limit":20}'}, headers=staff),
        "e": lambda: client.get(f"/tenants/{_id('t', size // 2)}", headers=staff),
        "f": lambda: client.get("/tenants", {"filter": '{"limit":20,"include":["contacts"]}'}, headers=staff),
        "t": lambda: client.post(
            f"/leads/{lead}/tenants", {"key": f"p{size}", "domains": [f"o{LEADS - size % 7}.example"]},
            content_type="application/json", headers={"authorization": f"Bearer {_lead_token(lead)}"},
        ),
        "h": lambda: client.get("/tenants/count", headers=staff),
    }  # fmt: skip
    report = [f"## {size:,} tenants\n"]
    for letter, call in calls.items():
        with CaptureQueriesContext(connection) as captured:
            answer = call()
        assert answer.status_code == 200, answer.content
        found = [entry["sql"] for entry in captured.captured_queries]
        report.append(f"### {TITLES[letter]}: {len(found)} statements\n\n```")
        for sql in found:
            report.append(_cost(sql) if sql.startswith("SELECT") else shortened(sql))
        report.append("```\n")
    return "\n".join(report)


def _cost(sql: str) -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        for _ in range(2):  # the second time everything that it needs is in memory
            cursor.execute("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF) " + sql)
            lines = [row[0] for row in cursor.fetchall()]
    kept = [line for line in lines if not re.search(r"Planning|Execution|Heap Blocks|Sort Method|never executed", line)]
    return shortened("\n".join(kept))


def shortened(text: str) -> str:
    text = re.sub(r"'[0-9a-f-]{36}'", "'…'", re.sub(r"\{[0-9a-f,-]{40,}\}", "{…}", text))
    return text if "\n" in text else text[:60] + ("…" if len(text) > 60 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=SIZES, help=f"comma-separated ({SIZES})")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    with ExitStack() as stack:
        ports = [free_port() for _ in range(3)]
        environment, sink = prepare(stack, ports)
        token, services, explained = staff_token(), {}, []
        write_leads()
        begun = time.perf_counter()
        for size, database in grow_through(sizes):
            explained.append(plans(size, token))
            port = str(free_port())
            services[size] = environment | {
                "DB_DATABASE": database,
                "PORT": port,
                "PUBLIC_URL": f"http://127.0.0.1:{port}",
            }
        print(f"seeded in {time.perf_counter() - begun:.0f} s", flush=True)
        OUTPUT.mkdir(parents=True, exist_ok=True)
        (OUTPUT / "growth-plans.md").write_text("\n".join(explained))
        driven = {}
        for size, variables in services.items():
            serve(stack, variables)
            driven[size] = Growing(size, variables["PUBLIC_URL"], sink, token, options.seconds)
        found = measure(driven, options.rounds)
    report(found, sizes, options)


def measure(driven: dict[int, Growing], rounds: int) -> dict[str, dict[int, list[dict]]]:
    """What each round found, by operation and size, with the loop before and after."""
    found = {letter: {size: [] for size in driven} for letter in TITLES}
    for number in range(rounds + 1):
        for letter in TITLES:
            loop = loop_seconds(1)
            for size, operations in random.sample(list(driven.items()), len(driven)):
                measured = asdict(getattr(operations, letter)())
                after = loop_seconds(1)
                if measured["errors"]:
                    print(f"{letter} at {size:,}: {measured['errors']} ERRORS {measured['first_error']}", flush=True)
                if number:  # the first round warms up
                    found[letter][size].append(measured | {"loop": (loop + after) / 2})
                loop = after
    return found


def report(found: dict, sizes: list[int], options) -> None:
    bars = []
    for letter, by_size in found.items():
        scaled = {
            size: median(each["p50"] * LOOP / each["loop"] for each in rounds) for size, rounds in by_size.items()
        }
        print(f"{letter}  {TITLES[letter]}")
        for size in sizes:
            p50, p99, rate = (median(each[name] for each in by_size[size]) for name in ("p50", "p99", "rate"))
            growth = 100 * scaled[size] / scaled[sizes[0]] - 100
            print(
                f"{size:>12,} tenants {rate:7.0f}/s  p50 {p50:7.1f} ms  p99 {p99:7.1f} ms"
                f"  p50 by the loop {scaled[size]:6.1f} ms  {growth:+5.0f} %"
            )
        if letter != "h":  # a count reads every row, here and in the reference
            bars.append((letter, [(f"{size:,}", 100 * scaled[size] / scaled[sizes[0]]) for size in sizes]))
    write_json("growth.json", seconds=options.seconds, rounds=options.rounds, operations=found)
    plots.write(OUTPUT / "growth.svg", f"p50 in percent of that at {sizes[0]:,} tenants", bars)


if __name__ == "__main__":
    main()
