"""`generate_invoices` as it is run: in processes of its own, and killed."""

import os
import signal
import subprocess
import sys

import pytest
from django.core.management import call_command
from django.db import connection

from billing.models import Invoice, NumberSeries
from tests.bench_billing import ROWS
from tests.make import make_plan
from tests.processes import ROOT
from tests.world import wait_until

COUNT = 2_000


def others() -> int:
    """The connections to this database but our own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return cursor.fetchone()[0]


def numbers() -> list[int]:
    return sorted(int(number.rpartition("-")[2]) for number in Invoice.objects.values_list("number", flat=True))


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_run_of_several_processes_that_is_killed_leaves_no_process_and_is_finished_by_the_next(tmp_path):
    with connection.cursor() as cursor:
        cursor.execute(ROWS.format(count=COUNT, plan=make_plan().id, later=COUNT))
    before = others()
    variables = os.environ | {"DB_DATABASE": connection.settings_dict["NAME"], "VAR_DIR": str(tmp_path)}
    command = [sys.executable, "manage.py", "generate_invoices", "--jobs", "2"]
    run = subprocess.Popen(command, env=variables, cwd=ROOT, stdout=subprocess.DEVNULL)
    wait_until(lambda: run.poll() is not None or Invoice.objects.exists())
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_until(lambda: others() <= before)
    killed_at = Invoice.objects.count()
    assert 0 < killed_at < COUNT
    assert numbers() == list(range(1, killed_at + 1))
    call_command("generate_invoices", "--jobs", "1")
    assert numbers() == list(range(1, COUNT + 1))
    assert Invoice.objects.values("subscription").distinct().count() == COUNT
    assert NumberSeries.objects.get().last == COUNT
