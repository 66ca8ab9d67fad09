"""`make bench-billing`: the rate and memory of generate_invoices; numbers under 16 processes, half of them killed."""

import os
import re
import resource
import signal
import subprocess
import sys
import time

SUBSCRIPTIONS, WITH_PDF, PROCESSES, INVOICES = 100_000, 2_000, 16, 2_000
ROWS = """
INSERT INTO addresses (id, created_on, modified_on, deleted, city, country)
    SELECT md5('a' || n)::uuid, now(), now(), false, 'Gdynia', 'Poland' FROM generate_series(1, {count}) n;
INSERT INTO tenants (id, created_on, modified_on, deleted, name, status, key, domains, address_id)
    SELECT md5('t' || n)::uuid, now(), now(), false, 'Tenant ' || n, 0, 't' || n, '[]', md5('a' || n)::uuid
    FROM generate_series(1, {count}) n;
INSERT INTO contacts (id, created_on, modified_on, deleted, first_name, last_name, email, is_primary, tenant_id)
    SELECT md5('c' || n)::uuid, now(), now(), false, 'Ada', 'Lovelace', 'c' || n || '@x.example', true,
        md5('t' || n)::uuid
    FROM generate_series(1, {count}) n;
INSERT INTO subscriptions (id, created_on, modified_on, deleted, tenant_id, plan_id, reference, price, currency_code,
        billing_cycle, tax_rate, status, start_date, anchor_day, period_price, period_tax_rate, next_invoice_on,
        credit, cancel_at_period_end)
    SELECT md5('s' || n)::uuid, now(), now(), false, md5('t' || n)::uuid, '{plan}', '', 49, 'EUR', 'MONTHLY', 19, 1,
        now(), 31, 0, 0, CASE WHEN n > {later} THEN current_date + 20 ELSE current_date END, 0, false
    FROM generate_series(1, {count}) n;
ANALYZE;
"""


def generate(*arguments: str) -> tuple[str, float]:
    """What the command printed last, and the most memory that any child had so far, in MiB."""
    command = [sys.executable, "manage.py", "generate_invoices", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1], resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def rate(line: str) -> str:
    count, seconds = re.match(r"(\d+) invoices were issued in ([\d.]+) s", line).groups()
    return f"{count} in {seconds} s, {int(count) / float(seconds):.0f}/s"


def main() -> None:
    from tests import servers  # noqa: F401  (starts PostgreSQL)

    os.environ |= {"EVENT_CONNECTOR": "log", "DJANGO_SETTINGS_MODULE": "config.settings"}
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from billing.models import Invoice, NumberSeries, Plan
    from tenants.models import Tenant

    call_command("migrate", verbosity=0)
    plan = Plan.objects.create(name="Standard", tier="STANDARD", price=49, currency_code="EUR")
    count = SUBSCRIPTIONS + WITH_PDF
    with connection.cursor() as cursor:
        cursor.execute(ROWS.format(count=count, plan=plan.id, later=SUBSCRIPTIONS))
    one, memory_of_one = generate("--date", "2000-01-01")
    line, memory = generate()
    print(f"without PDFs: {rate(line)}; at most {memory:.0f} MiB, {memory_of_one:.0f} MiB with nothing due ({one})")
    later = time.strftime("%Y-%m-%d", time.localtime(time.time() + 21 * 86_400))
    line, _ = generate("--pdf", "--date", later)
    print(f"with PDFs: {rate(line)}")

    Invoice.everything.all().delete()
    NumberSeries.objects.all().delete()
    tenant = Tenant.objects.create(name="Acme", key="numbers", domains=[])
    command = [sys.executable, "-m", "tests.issuer", str(tenant.id), str(INVOICES - PROCESSES + 1)]
    begun = time.monotonic()
    workers = [subprocess.Popen(command) for _ in range(PROCESSES)]
    while Invoice.objects.count() < INVOICES // 3:
        assert all(worker.poll() is None for worker in workers)
        time.sleep(0.05)
    for worker in workers[::2]:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    killed_at = Invoice.objects.count()
    workers[::2] = [subprocess.Popen(command) for _ in workers[::2]]
    for worker in workers:
        worker.wait()
    numbers = sorted(int(number.rpartition("-")[2]) for number in Invoice.objects.values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1)), "a gap or a double"
    print(
        f"{PROCESSES} processes, half of them killed at {killed_at} and begun again: numbers 1 to {len(numbers)}, "
        f"no gap, no double, {time.monotonic() - begun:.0f} s"
    )


if __name__ == "__main__":
    main()
