"""What the back-office costs with few tenants and with many: the same statements, whatever there is.

With OFFICE_GROWTH naming a file, many are 100,000, and the file gets the table of docs/performance.md.
"""

import os
import re
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config.encryption import encrypt
from tenants.models import Tenant
from tests.make import make_key, make_lead, make_plan, make_user
from tests.test_growth import grow, plan_of

REPORT = os.environ.get("OFFICE_GROWTH")
FEW, MANY = (1_000, 100_000) if REPORT else (100, 400)
LARGE = (
    "addresses|leads|lead_keys|tenants|contacts|resources|tenant_mgmt_configs|invoices|payments|subscriptions|events"
    "|deliveries|provisioning_runs|received_calls|auditlog_logentry|billing_customers|credit_notes"
)
FILTERS = {
    "leads_lead": (
        "stage=signed_up",
        "stage=verified",
        "stage=tenant",
        "stage=active",
        "is_validated__exact=0",
        "created_on_from={day}",
    ),
    "tenants_tenant": (
        "status__exact=3",
        "status__exact=0",
        "created_on_from={day}",
        "deleted=yes",
        "tier=PREMIUM",
        "tier=none",
    ),
    "tenants_contact": ("is_primary__exact=1",),
    "billing_invoice": ("status__exact=0", "overdue=yes", "issued_on_from={day}"),
    "billing_subscription": ("status__exact=1", "billing_cycle__exact=YEARLY"),
    "billing_payment": ("date_from={day}",),
    "provisioning_provisioningrun": ("state__exact=2", "kind__exact=1", "tier=PREMIUM"),
    "provisioning_event": ("type=TENANT_CREATED",),
    "provisioning_delivery": ("state__exact=2", "state__exact=0", "destination=mail:validate_lead"),
    "webhooks_receivedcall": ("verdict=accepted", "verdict=open"),
}
SEARCHES = {"leads_lead": "l777@x", "tenants_tenant": "k777", "tenants_contact": "c777@x", "billing_invoice": "T-777"}


def grow_rest(first: int, last: int) -> None:
    """What `grow` leaves out: of each tenant a run, an event, a delivery, and so on."""
    row = f"now() - make_interval(secs => {last} - n)"
    audited = f"{row}, now(), false"
    of_tenant = "md5('t' || n)::uuid"
    tables = {
        "lead_keys": (
            "id, lead_id, key_hash, created_on, expires_at",
            f"md5('k' || n)::uuid, md5('l' || n)::uuid, md5('h' || n), {row}, {row}",
        ),
        "tenant_mgmt_configs": (
            "id, config_key, config_value, tenant_id, created_on, modified_on, deleted",
            f"md5('g' || n)::uuid, 'key', '{{}}', {of_tenant}, {audited}",
        ),
        "billing_customers": (
            "id, name, address, country, tax_id, tenant_id, created_on, modified_on, deleted",
            f"md5('b' || n)::uuid, 'Acme', '', 'GB', '', {of_tenant}, {audited}",
        ),
        "provisioning_runs": (
            "id, tenant_id, kind, state, reason, tier, isolation, subscription, former_status, secret, context, "
            "created_on, begins_at, expires_at, finished_on",
            f"md5('r' || n)::uuid, {of_tenant}, 0, 1, '', 'PREMIUM', 'silo', '{{}}', 1, '{encrypt('x')}', "
            f"md5('x' || n)::uuid, {row}, {row}, {row}, {row} + interval '90 seconds'",
        ),
        "events": (
            "event_id, type, subject, occurred_on, payload, run_id",
            f"md5('e' || n)::uuid, 'TENANT_CREATED', {of_tenant}, {row}, '{{}}', NULL",
        ),
        "deliveries": (
            "event_id, subject, destination, state, attempts, created_on, next_attempt_on, last_error",
            f"(SELECT max(id) FROM events), {of_tenant}, 'bus:memory' || n, "
            f"CASE WHEN n % 1000 = 0 THEN 2 ELSE 1 END, 1, {row}, {row}, ''",
        ),
        "received_calls": (
            "run_id, path, body_hash, headers, body, received_on, answer",
            f"md5('r' || n)::uuid, '/webhook', md5('q' || n), '{{}}', '{{}}', {row}, 204",
        ),
        "auditlog_logentry": (
            "content_type_id, object_pk, object_repr, action, changes_text, timestamp",
            f"(SELECT min(id) FROM django_content_type), md5('t' || n), 'Acme', 1, '', {row}",
        ),
    }
    with connection.cursor() as cursor:
        for table, (columns, values) in tables.items():
            cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {values} FROM generate_series({first}, {last}) n")
            cursor.execute(f"ANALYZE {table}")


def pages() -> dict[str, str]:
    """Every page that shows what there are many of, by what it is called."""
    day = f"{timezone.now() - timedelta(days=1):%Y-%m-%d}"  # from which on, also after midnight, there are rows
    found = {"the dashboard": "/admin/", "the dashboard of a year": "/admin/?days=365"}
    for page in admin.site._registry.values():
        name = f"{page.opts.app_label}_{page.opts.model_name}"
        address = reverse(f"admin:{name}_changelist")
        found[f"{page.opts.verbose_name_plural}"] = address
        for query in FILTERS.get(name, ()):
            found[f"{page.opts.verbose_name_plural}, {query.split('{')[0]}"] = f"{address}?{query.format(day=day)}"
        if name in SEARCHES:
            found[f"{page.opts.verbose_name_plural}, search"] = f"{address}?q={SEARCHES[name]}"
    found["a tenant"] = reverse("admin:tenants_tenant_change", args=[Tenant.objects.get(key="k77").pk])
    return found


def cost_of(office, address: str) -> tuple[list[str], float, float]:
    """The statements of a page, and its time and that of the statements in milliseconds."""
    cache.clear()
    with CaptureQueriesContext(connection) as queries:
        began = time.perf_counter()
        assert office.get(address).status_code == 200, address
        took = time.perf_counter() - began
    asked = [each for each in queries.captured_queries if not each["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    return [each["sql"] for each in asked], took * 1000, sum(float(each["time"]) for each in asked) * 1000


def vacuum() -> None:
    """As PostgreSQL does by itself now and then: counts are answered by indexes alone after it."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


@pytest.mark.django_db(transaction=True)
def test_pages_take_as_many_statements_for_many_tenants_as_for_few(client):
    client.force_login(make_user(is_staff=True, is_superuser=True))
    make_key(make_lead()), make_plan()
    grow(1, FEW), grow_rest(1, FEW), vacuum()
    for address in pages().values():
        client.get(address)
    before = {name: len(cost_of(client, address)[0]) for name, address in pages().items()}
    grow(FEW + 1, MANY), grow_rest(FEW + 1, MANY), vacuum()
    lines = ["| page | statements | ms of statements | ms of page | tables read as a whole |", "|---|---|---|---|---|"]
    for name, address in pages().items():
        found, took, asked = cost_of(client, address)
        assert len(found) == before[name], name
        assert len(found) < (35 if name == "a tenant" else 10), name
        scans = {scan for sql in found for scan in re.findall(rf"Seq Scan on ({LARGE})\b", plan_of(sql))}
        lines.append(f"| {name} | {len(found)} | {asked:.0f} | {took:.0f} | {', '.join(sorted(scans))} |")
    if REPORT:
        Path(REPORT).write_text("\n".join(lines) + "\n")
