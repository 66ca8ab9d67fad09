"""The dashboard at /admin/: its numbers, its statements, and who sees what."""

import re
import time
from datetime import datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from html import unescape

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from billing.models import InvoiceStatus
from billing.totals import Line
from identity.roles import CODES, make_roles
from leads.models import Lead
from provisioning.charts import columns
from provisioning.dashboard import durations, gather
from provisioning.models import Delivery, ProvisioningRun
from tenants.models import Tenant, TenantStatus
from tests.make import (
    make_invoice,
    make_lead,
    make_payment,
    make_plan,
    make_run,
    make_subscription,
    make_tenant,
    make_user,
)

pytestmark = pytest.mark.django_db


def counts_of(rows) -> dict[str, int]:
    return {row.label: row.count for row in rows}


def test_counts_the_funnel_of_the_chosen_period(office):
    make_lead(is_validated=False)
    make_lead()
    make_tenant(lead=make_lead())
    make_tenant(lead=make_lead(), status=TenantStatus.ACTIVE)
    make_lead(deleted=True)
    Lead.objects.update(created_on=timezone.now() - timedelta(hours=1))  # all on one day
    Lead.objects.filter(id=make_lead().id).update(created_on=timezone.now() - timedelta(days=10))
    week = office.get("/admin/?days=7").context
    assert counts_of(week["funnel"]) == {"Leads": 4, "Verified": 3, "Tenants": 2, "Active": 1}
    assert counts_of(office.get("/admin/?days=30").context["funnel"])["Leads"] == 5
    assert sum(bar.height > 0 for bar in week["signups"].bars) == 1
    assert office.get("/admin/?days=nonsense").context["days"] == 30


def test_counts_tenants_by_status_and_tier(office):
    make_tenant()
    make_subscription(plan=make_plan(tier="PREMIUM"))
    make_run(tier="STANDARD")
    context = office.get("/admin/").context
    assert counts_of(context["statuses"])["PENDINGPROVISION"] == 1
    assert counts_of(context["statuses"])["ACTIVE"] == 1
    assert counts_of(context["tiers"]) == {"BASIC": 0, "STANDARD": 1, "PREMIUM": 1, "none yet": 1}


def linked(page) -> list[tuple[str, str, int]]:
    """(label, address, number) of each number on the page that leads to a list."""
    said = page.content.decode()
    cards = re.findall(r'<a href="([^"]+)" class="office-card[^>]*><strong>(\d+)</strong> <span>([^<]+)', said)
    bars = re.compile(r'<li>\s*<a href="([^"]+)">([^<]+)</a>\s*<svg.*?</svg>\s*<strong>(\d+)</strong>', re.DOTALL)
    found = [(label, address, count) for address, count, label in cards]
    found += [(label, address, count) for address, label, count in bars.findall(said)]
    assert len(found) == said.count("<strong>")
    return [(label, unescape(address), int(count)) for label, address, count in found]


@pytest.mark.parametrize("days", [7, 30, 90, 365])
def test_every_number_is_that_of_the_rows_in_the_list_that_it_leads_to(office, days):
    """With leads and tenants of a minute after each midnight that could matter, and of a minute before."""
    today = timezone.localdate()
    for ago in (0, 1, 2, 3, days - 2, days - 1, days):
        midnight = timezone.make_aware(datetime.combine(today - timedelta(days=ago), clock_time.min))
        for born in (midnight - timedelta(minutes=1), midnight + timedelta(minutes=1)):
            make_lead(is_validated=False, created_on=born)
            make_lead(created_on=born)
            make_tenant(lead=make_lead(created_on=born), created_on=born)
            make_tenant(lead=make_lead(created_on=born), status=TenantStatus.ACTIVE)
            make_tenant(lead=make_lead(created_on=born, is_validated=False), status=TenantStatus.INACTIVE)
            make_tenant(status=TenantStatus.ACTIVE, created_on=born)
    make_tenant(status=TenantStatus.ACTIVE), make_lead(deleted=True), make_tenant(deleted=True, lead=make_lead())
    for plan, count in (("BASIC", 1), ("STANDARD", 3), ("PREMIUM", 2)):
        for _ in range(count):
            make_subscription(plan=make_plan(tier=plan))
            Tenant.objects.filter(id=make_run(tier=plan).tenant_id).update(status=TenantStatus.PROVISIONFAILED)
    make_run(), make_run(deprovision=True)
    Delivery.objects.filter(id=Delivery.objects.first().id).update(state=Delivery.State.DEAD)
    make_invoice(due_date=timezone.now() - timedelta(days=1)), make_invoice(status=InvoiceStatus.PAID)
    shown = linked(office.get(f"/admin/?days={days}"))
    rows = {label: office.get(address).context["cl"].queryset.count() for label, address, _ in shown}
    counts = {label: count for label, _, count in shown}
    assert counts == rows
    assert len(counts) == 4 + 4 + 6 + 4
    alone = [counts[label] for label in ("Leads", "Verified", "Tenants", "Active", "ACTIVE", "INACTIVE")]
    assert len(set(alone)) == len(alone)  # so that no two links could be each other's


def test_leads_to_what_needs_a_person(office):
    tenant = make_run().tenant
    Tenant.objects.filter(id=tenant.id).update(status=TenantStatus.PROVISIONFAILED)
    Delivery.objects.update(state=Delivery.State.DEAD)
    invoice = make_invoice(due_date=timezone.now() - timedelta(days=1), tenant=tenant)
    lead = make_lead(is_validated=False, created_on=timezone.now() - timedelta(days=9))
    make_lead(is_validated=False)
    shown = office.get("/admin/").context["attention"]
    assert [each["count"] for each in shown] == [1, Delivery.objects.count(), 1, 1]
    listed = [list(office.get(each["url"]).context["cl"].queryset) for each in shown]
    assert listed == [[tenant], list(Delivery.objects.order_by("-id")), [invoice], [lead]]


def test_says_how_long_it_took_to_become_active():
    now = timezone.now()
    for minutes in range(1, 11):
        run = make_run(make_tenant(lead=make_lead(created_on=now - timedelta(minutes=minutes))))
        ProvisioningRun.objects.filter(id=run.id).update(state=ProvisioningRun.State.SUCCEEDED, finished_on=now)
    found = durations(now - timedelta(days=1))
    assert {name: round(took.total_seconds() / 60) for name, took in found.items()} == {"median": 5, "p90": 9}
    assert durations(now + timedelta(days=1)) == {}


@pytest.mark.parametrize("count", [1, 2, 3, 9, 11])
def test_knows_the_ranks_of_few_as_of_many(count):
    now = timezone.now()
    for minutes in range(1, count + 1):
        run = make_run(make_tenant(created_on=now - timedelta(minutes=minutes)))
        ProvisioningRun.objects.filter(id=run.id).update(state=ProvisioningRun.State.SUCCEEDED, finished_on=now)
    assert set(durations(now - timedelta(days=1))) == {"median", "p90"}


def test_shows_revenue_per_currency(office):
    make_invoice()
    make_invoice(currency_code="USD", status=InvoiceStatus.PAID)
    money = office.get("/admin/").context["money"]
    assert [(each["currency"], each["open"]) for each in money] == [("EUR", "120.50 EUR"), ("USD", "0.00 USD")]


def test_shows_of_each_month_what_was_issued_paid_overdue_and_recurring_as_bars_and_as_numbers(office):
    first = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    late = make_invoice(due_date=first - timedelta(days=1), lines=[Line("Services", Decimal(40))])
    make_payment(make_invoice(status=InvoiceStatus.PAID, lines=[Line("Services", Decimal(80))]), amount=Decimal(20))
    period = {"period_start": first.date(), "period_end": first.date() + timedelta(days=28)}
    make_subscription(plan=make_plan(price=Decimal(60)), start_date=first, **period)
    page = office.get("/admin/")
    (euro,) = page.context["money"]
    (_, before), (month, now) = euro["months"][-2:]
    assert (before, now) == (["0.00", "0.00", "40.00", "0.00"], ["120.00", "20.00", "0.00", "60.00"])
    highest = max(bar.height for bar in euro["plot"].bars)
    bars = [(bar.kind, round(bar.height / highest * 120)) for bar in euro["plot"].bars[-8:]]
    assert bars[:4] == [("issued", 0), ("paid", 0), ("overdue", 40), ("mrr", 0)]
    assert bars[4:] == [("issued", 120), ("paid", 20), ("overdue", 0), ("mrr", 60)]
    assert month == f"{late.issued_on:%b %Y}"
    assert f'<th scope="row">{month}</th><td class="number">120.00</td>' in page.content.decode()


@pytest.mark.parametrize(("days", "bars"), [(7, [7]), (30, [30]), (90, [13]), (365, [12, 13])])
def test_says_above_each_bar_how_many_signed_up(office, days, bars):
    for ago in (0, 0, 5):
        make_lead(created_on=timezone.now() - timedelta(days=ago))
    plot = office.get(f"/admin/?days={days}").context["signups"]
    assert len(plot.bars) in bars
    assert sum(int(bar.text or 0) for bar in plot.bars) == 3
    assert {bar.text for bar in plot.bars if not bar.height} == {""}


def test_says_above_the_highest_bar_alone_what_has_no_room_above_each():
    groups = [(str(each), [("step", each * 10_000, "")]) for each in range(30)]
    assert [bar.text for bar in columns(groups, numbered=True).bars if bar.text] == ["290000"]


def test_writes_amounts_and_days_as_its_reader_does(office):
    make_invoice(lines=[Line("x", Decimal("1234.5"))])
    today = timezone.now().date()
    first = today - timedelta(days=29)
    for language, words in {
        "de": ["1.234,50 EUR", "ausgestellt: 1.234,50 EUR", f"{today:%d.%m.%Y}: 0", f">{first.day}. "],
        "en": ["1,234.50 EUR", "issued: 1,234.50 EUR", f"{today}: 0", f">{first:%b} {first.day}<"],
    }.items():
        said = office.get("/admin/?days=30", headers={"Accept-Language": language}).content.decode()
        assert not [word for word in words if word not in said]


def test_takes_fewer_than_ten_statements_however_much_there_is_and_none_of_its_own_for_a_minute(office):
    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert office.get("/admin/").status_code == 200
        return len(queries)

    cache.clear()
    assert statements() < 10
    for _ in range(5):
        make_tenant(lead=make_lead())
        make_invoice()
    cache.clear()
    assert statements() < 10
    assert statements() == 3  # the session, its user, and whether they have a second factor


def test_keeps_its_sums_for_a_minute_and_no_longer(office, settings, monkeypatch):
    sums = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "a-minute"}
    settings.CACHES = {**settings.CACHES, "sums": sums}
    began, later = time.time(), {}
    for seconds in (0, 59, 61):
        monkeypatch.setattr("time.time", lambda seconds=seconds: began + seconds)
        make_lead(), make_invoice()
        page = office.get("/admin/?days=7")
        later[seconds] = counts_of(page.context["funnel"])["Leads"], page.context["money"][0]["open"]
    assert later == {0: (1, "120.50 EUR"), 59: (1, "120.50 EUR"), 61: (3, "361.50 EUR")}


@pytest.mark.parametrize("role", CODES)
def test_takes_fewer_than_ten_statements_for_every_role_with_a_second_factor_and_nothing_kept(client, role):
    make_roles(Group, Permission)
    user = make_user(is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    device = TOTPDevice.objects.create(user=user, name="app", confirmed=True)
    client.force_login(user)
    session = client.session
    session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    session.save()
    make_invoice(), make_run(make_tenant(lead=make_lead()))
    client.get("/admin/")  # content types
    cache.clear()
    with CaptureQueriesContext(connection) as queries:
        page = client.get("/admin/")
    assert page.context["attention"]
    assert page.context["money"]
    assert len(queries) < 10, [each["sql"] for each in queries]


def test_shows_nobody_what_they_may_not_list(client):
    user = make_user(is_staff=True)
    client.force_login(user)
    make_invoice()
    page = client.get("/admin/")
    assert "attention" not in page.context
    assert "money" not in page.context
    assert "nothing that your role may see" in page.content.decode()
    user.user_permissions.add(Permission.objects.get(codename="view_invoice"))
    assert "money" in client.get("/admin/").context


def test_is_gathered_in_two_statements():
    with CaptureQueriesContext(connection) as queries:
        gather(30)
    assert len(queries) == 2
