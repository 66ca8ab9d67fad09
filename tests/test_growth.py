"""What a list costs at 1,000 and at 100,000 tenants: the same statements, each by an index."""

import json
import os
import re
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.make import make_lead

INCLUDE = {"include": ["contacts", "resources", "lead", "address"]}
LISTS = {
    "the first page with everything included": ("/tenants", {"filter": {**INCLUDE, "limit": 20}}),
    "a page of one status": ("/tenants", {"status": "ACTIVE", "limit": "20"}),
    "a page by name": ("/tenants", {"ordering": "name", "limit": "20"}),
    "the newest": ("/tenants", {"filter": {"order": "createdOn DESC", "limit": 20, **INCLUDE}}),
    "a tenant by its key": ("/tenants", {"key": "k77"}),
    "contacts of a tenant": ("/contacts", {"filter": {"include": ["tenant"], "limit": 20}}),
    "leads with their tenants": ("/leads", {"filter": {"include": ["tenant", "address"], "limit": 20}}),
    "a lead by its mail address": ("/leads", {"email": "l77@x.example"}),
    "a contact by its mail address": ("/contacts", {"email": "c77@x.example"}),
    "invoices by due date": ("/invoices", {"ordering": "dueDate", "limit": "20"}),
    "invoices of one status": ("/invoices", {"status": "PAID", "filter": {"include": ["tenant"], "limit": 20}}),
    "an invoice by its number": ("/invoices", {"number": "T-77"}),
    "plans by price": ("/plans", {"limit": "20"}),
    "subscriptions with plan and tenant": ("/subscriptions", {"filter": {"include": ["plan", "tenant"], "limit": 20}}),
    "subscriptions of one status": ("/subscriptions", {"status": "ACTIVE", "limit": "20"}),
    "payments with their invoices": ("/payments", {"filter": {"include": ["invoice"], "limit": 20}}),
    "the latest payments": ("/payments", {"ordering": "-date", "limit": "20"}),
    "a payment by its reference": ("/payments", {"reference": "R-77"}),
    "credit notes with their invoices": ("/credit-notes", {"filter": {"include": ["invoice"], "limit": 20}}),
    "a credit note by its number": ("/credit-notes", {"number": "C-77"}),
}


def grow(first: int, last: int, *, contacts: int = 2, without: tuple[str, ...] = ()) -> None:
    """Tenants number `first` to `last`, each with a lead, an address, contacts, a resource, an invoice, a
    plan and a subscription to it, a payment and a credit note.

    `without` names tables that stay as they are.
    """
    alive = "now() - make_interval(secs => {last} - n), now(), false"
    tables = {
        "addresses": ("city, country", "'City', 'GB'", "a"),
        "leads": (
            "first_name, last_name, company_name, email, is_validated, address_id",
            "'A', 'B', 'C', 'l' || n || '@x.example', true, md5('a' || n)::uuid",
            "l",
        ),
        "tenants": (
            "name, status, key, domains, lead_id, address_id",
            "'Tenant ' || n, n % 6, 'k' || n, '[]', md5('l' || n)::uuid, md5('a' || n)::uuid",
            "t",
        ),
        "contacts": (
            "first_name, last_name, email, is_primary, tenant_id",
            "'A', 'B', 'c' || n || '@x.example', {primary}, md5('t' || n)::uuid",
            "c",
        ),
        "resources": (
            "type, metadata, external_identifier, tenant_id",
            "'s3', '{{}}', 'r' || n, md5('t' || n)::uuid",
            "r",
        ),
        "invoices": (
            "start_date, end_date, due_date, amount, subtotal, tax_total, paid_amount, credited_amount, credit_taken, "
            "given_back, currency_code, status, number, issued_on, lines, taxes, seller, buyer, reminders_sent, "
            "tenant_id",
            "now(), now(), now(), 1, 1, 0, 0, 0, 0, 0, 'EUR', n % 3, 'T-' || n, now(), '[]', '[]', '{{}}', '{{}}', 0, "
            "md5('t' || n)::uuid",
            "i",
        ),
        "plans": (
            "name, tier, price, currency_code, billing_cycle, trial_days, features, size_config, is_self_service, "
            "is_active",
            "'Plan ' || n, 'BASIC', n, 'EUR', 'MONTHLY', 0, '[]', '{{}}', true, true",
            "p",
        ),
        "subscriptions": (
            "tenant_id, plan_id, reference, price, currency_code, billing_cycle, tax_rate, status, period_price, "
            "period_tax_rate, credit, cancel_at_period_end",
            "md5('t' || n)::uuid, md5('p' || n)::uuid, '', 1, 'EUR', 'MONTHLY', 0, n % 5, 0, 0, 0, false",
            "s",
        ),
        "payments": (
            "invoice_id, amount, date, method, reference, gateway",
            "md5('i' || n)::uuid, 1, now() - make_interval(secs => n), '', 'R-' || n, 'manual'",
            "y",
        ),
        "credit_notes": (
            "invoice_id, number, issued_on, currency_code, amount, subtotal, tax_total, reason, lines, taxes, seller, "
            "buyer",
            "md5('i' || n)::uuid, 'C-' || n, now(), 'EUR', 1, 1, 0, '', '[]', '[]', '{{}}', '{{}}'",
            "n",
        ),
    }
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # the rows refer to each other rightly
        for table in without:
            del tables[table]
        for table, (columns, values, prefix) in tables.items():
            for part in range(contacts if table == "contacts" else 1):
                chosen = (values + ", " + alive).format(last=last, primary=str(part == 0).lower())
                cursor.execute(
                    f"INSERT INTO {table} (id, {columns}, created_on, modified_on, deleted) "
                    f"SELECT md5('{prefix}{'-' * part}' || n)::uuid, {chosen} FROM generate_series({first}, {last}) n"
                )
        for table in tables:
            cursor.execute(f"ANALYZE {table}")
        cursor.execute("SET LOCAL session_replication_role = DEFAULT")


def statements(staff, path: str, query: dict) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        answer = staff.get(path, **query)
    assert answer.status_code == 200, answer.content
    assert answer.json()
    return [entry["sql"] for entry in captured.captured_queries]


def plan_of(sql: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (COSTS OFF) " + sql)
        return "\n".join(row[0] for row in cursor.fetchall())


@pytest.mark.django_db
def test_lists_cost_the_same_statements_at_a_thousand_and_at_a_hundred_thousand_tenants(staff):
    make_lead()
    grow(1, 1_000)
    before = {name: len(statements(staff, *call)) for name, call in LISTS.items()}
    grow(1_001, 100_000)
    report = []
    for name, (path, query) in LISTS.items():
        found = statements(staff, path, query)
        assert len(found) == before[name], name
        report.append(f"## {name}\n\n`GET {path}` with `{json.dumps(query)}`: {len(found)} statements\n")
        for sql in found:
            plan = plan_of(sql)
            assert "Seq Scan" not in plan, f"{name}\n{sql}\n{plan}"
            assert "Index" in plan, f"{name}\n{sql}\n{plan}"
            shorter = re.sub(r"\{[0-9a-f,-]{40,}\}", "{…}", plan)
            report.append(f"```\n{shorter}\n```\n")
    if "QUERY_PLANS" in os.environ:
        head = (
            "# Query plans at 100,000 tenants\n\n"
            "Made by tests/test_growth.py on PostgreSQL, with `QUERY_PLANS` naming this file.\n"
        )
        target = Path(os.environ["QUERY_PLANS"])
        _, heading, measured = target.read_text().partition("# What they cost")  # which `make bench-growth` found
        target.write_text("\n".join([head, *report, heading + measured]))
