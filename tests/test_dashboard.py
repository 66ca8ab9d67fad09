"""The dashboard at /admin/: its numbers, its statements, and who sees what."""

from datetime import timedelta
from decimal import Decimal

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
from provisioning.dashboard import durations, gather
from provisioning.models import Delivery, ProvisioningRun
from tenants.models import Tenant, TenantStatus
from tests.make import make_invoice, make_lead, make_plan, make_run, make_subscription, make_tenant, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def office(client):
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


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
    context = office.get("/admin/").context
    assert counts_of(context["statuses"])["PENDINGPROVISION"] == 1
    assert counts_of(context["statuses"])["ACTIVE"] == 1
    assert counts_of(context["tiers"]) == {"BASIC": 0, "STANDARD": 0, "PREMIUM": 1}


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


def test_writes_amounts_and_days_as_its_reader_does(office):
    make_invoice(lines=[Line("x", Decimal("1234.5"))])
    today = timezone.now().date()
    first = today - timedelta(days=89)
    for language, words in {
        "de": ["1.234,50 EUR", "ausgestellt: 1.234,50 EUR", f"{today:%d.%m.%Y}: 0", f">{first.day}. "],
        "en": ["1,234.50 EUR", "issued: 1,234.50 EUR", f"{today}: 0", f">{first:%b} {first.day}<"],
    }.items():
        said = office.get("/admin/?days=90", headers={"Accept-Language": language}).content.decode()
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
