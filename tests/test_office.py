"""The back-office: lists that stay quick, what is deleted and how it comes back."""

import re
import threading
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.timezone import localtime

from billing.models import Invoice, InvoiceStatus, Plan, Subscription, SubscriptionStatus
from billing.totals import Line
from config.language import second
from leads.models import LeadKey
from provisioning.models import Delivery, Event, ProvisioningRun
from tenants.models import Contact, Tenant
from tests.conftest import at_once
from tests.make import (
    make_address,
    make_config,
    make_contact,
    make_invoice,
    make_key,
    make_lead,
    make_payment,
    make_plan,
    make_resource,
    make_run,
    make_subscription,
    make_tenant,
    make_user,
)
from tests.world import wait_until

pytestmark = pytest.mark.django_db


def changelist(model, query: str = "") -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") + query


def change(obj) -> str:
    return reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])


def customers(count: int) -> None:
    for _ in range(count):
        lead = make_lead(address=make_address())
        make_key(lead)
        tenant = make_tenant(lead=lead, address=lead.address)
        make_contact(tenant), make_resource(tenant), make_config(tenant)
        make_invoice(tenant), make_subscription(tenant), make_run(tenant)


def statements(office, page: str) -> list[str]:
    office.get(page)  # fills the caches of content types and the like
    with CaptureQueriesContext(connection) as queries:
        assert office.get(page).status_code == 200
    return [each["sql"] for each in queries]


def waiting() -> int:
    """How many of the connections to the database wait for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # a transaction would see the same again and again
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0]


class TestLists:
    def test_take_as_many_statements_for_many_rows_as_for_few(self, office):
        def counted() -> dict[str, int]:
            counts = {}
            for model in admin.site._registry:
                with CaptureQueriesContext(connection) as queries:
                    assert office.get(changelist(model)).status_code == 200
                counts[model.__name__] = len(queries)
            return counts

        customers(1)
        counted()  # fills the caches of content types and the like
        few = counted()
        customers(3)
        assert counted() == few
        assert max(few.values()) < 15

    def test_of_tenants_say_status_tier_contact_and_last_event(self, office):
        run = make_run()
        make_contact(run.tenant, email="first@acme.example", is_primary=True)
        page = office.get(changelist(Tenant)).content.decode()
        for word in ("PROVISIONING", "PREMIUM", "first@acme.example", "TENANT_<wbr>PROVISIONING"):
            assert word in page

    def test_of_tenants_say_the_primary_contact_else_the_oldest(self, office):
        for name, is_primary in (("older", False), ("primary", True), ("younger", False)):
            for tenant in (make_tenant(key="one"), make_tenant(key="two")) if name == "older" else Tenant.objects.all():
                is_first = is_primary and tenant.key == "one"
                make_contact(tenant, email=f"{name}@{tenant.key}.example", is_primary=is_first)
        shown = {tenant.key: tenant.mail_of_primary for tenant in office.get(changelist(Tenant)).context["cl"].queryset}
        assert shown == {"one": "primary@one.example", "two": "older@two.example"}

    def test_of_tenants_say_the_tier_of_the_subscription_else_of_the_last_run_and_are_narrowed_to_it(self, office):
        make_tenant(name="None")
        make_run(make_tenant(name="Built"), tier="BASIC")
        make_subscription(make_run(make_tenant(name="Left"), tier="BASIC").tenant, status=SubscriptionStatus.CANCELLED)
        make_subscription(make_run(make_tenant(name="Moved"), tier="BASIC").tenant, make_plan(tier="PREMIUM"))
        make_subscription(make_tenant(name="Awaited"), make_plan(tier="PREMIUM"), status=SubscriptionStatus.PENDING)

        def named(query: str) -> list[tuple[str, str | None]]:
            return [
                (tenant.name, tenant.tier) for tenant in office.get(changelist(Tenant, query)).context["cl"].queryset
            ]

        basic = [("Left", "BASIC"), ("Built", "BASIC")]
        premium = [("Awaited", "PREMIUM"), ("Moved", "PREMIUM")]
        assert named("?tier=BASIC") == basic
        assert named("?tier=STANDARD") == []
        assert named("?tier=PREMIUM") == premium
        assert named("?tier=none") == [("None", None)]
        assert named("") == [*premium, *basic, ("None", None)]

    def test_of_tenants_say_their_age_and_are_ordered_by_it(self, office):
        for days in (3, 800, 40):
            make_tenant(name=f"{days}", created_on=timezone.now() - timedelta(days=days, minutes=1))
        page = office.get(changelist(Tenant, "?o=7"))
        assert [tenant.name for tenant in page.context["cl"].queryset] == ["3", "40", "800"]
        assert re.findall(r'<span title="[^"]+20\d\d">([^<]+)</span>', page.content.decode()) == [
            "3\xa0days", "1\xa0month", "2\xa0years"
        ]  # fmt: skip

    def test_can_be_searched_and_filtered(self, office):
        customers(1)
        for model, page in admin.site._registry.items():
            if page.search_fields:
                assert office.get(changelist(model, "?q=acme")).status_code == 200
            for spec in office.get(changelist(model)).context["cl"].filter_specs:
                own = hasattr(spec, "parameter_name")
                for value, _ in getattr(spec, "lookup_choices", []) if own else []:
                    answer = office.get(changelist(model, f"?{spec.parameter_name}={value}"))
                    assert answer.status_code == 200, (model, spec.parameter_name)

    def test_can_be_narrowed_to_days_both_included(self, office):
        for day in (1, 2, 3):
            make_tenant(name=f"Day {day}", created_on=datetime(2026, 3, day, 12, tzinfo=UTC))
        page = office.get(changelist(Tenant, "?created_on_from=2026-03-02&created_on_to=2026-03-02"))
        assert [tenant.name for tenant in page.context["cl"].queryset] == ["Day 2"]
        assert office.get(changelist(Tenant, "?created_on_from=nonsense")).context["cl"].queryset.count() == 3
        always = office.get(changelist(Tenant, "?created_on_from=0001-01-01&created_on_to=9999-12-31"))
        assert always.context["cl"].queryset.count() == 3

    def test_look_nothing_up_but_what_a_filter_or_a_link_asks(self, office):
        customers(1)
        for model, query in [
            (LeadKey, "key_hash__startswith=a"), (ProvisioningRun, "secret__startswith=a"), (Event, "payload__x=1"),
            (Tenant, "created_on__year=-1"), (Tenant, f"created_on__year={'9' * 30}"), (Tenant, "nonsense=1"),
            (Plan, "tier__exact=%00"), (Event, "type=%00"), (LogEntry, "object_pk=%00"), (Delivery, "destination=%00"),
        ]:  # fmt: skip
            answer = office.get(changelist(model, f"?{query}"))
            assert (answer.status_code, answer.headers.get("Location")) == (302, changelist(model, "?e=1")), query
        term = "?app_label=tenants&model_name=contact&field_name=tenant&term=%00"
        assert office.get(reverse("admin:autocomplete") + term).json()["results"] == []


class TestWhatIsDeleted:
    def test_stays_out_of_the_list_until_asked_for(self, office):
        make_tenant(name="Here")
        make_tenant(name="Gone", deleted=True)
        names = {
            query: [name for name in ("Here", "Gone") if name in office.get(changelist(Tenant, query)).content.decode()]
            for query in ("", "?deleted=yes", "?deleted=all")
        }
        assert names == {"": ["Here"], "?deleted=yes": ["Gone"], "?deleted=all": ["Here", "Gone"]}

    def test_is_neither_changed_nor_offered_nor_given_anything_to_hold(self, office):
        gone = make_tenant(name="Gone", deleted=True)
        term = "?app_label=tenants&model_name=contact&field_name=tenant&term=Gone"
        assert office.get(reverse("admin:autocomplete") + term).json()["results"] == []
        fields = {"first_name": "Ada", "last_name": "Lovelace", "email": "ada@acme.example", "tenant": str(gone.id)}
        refused = office.post(reverse("admin:tenants_contact_add"), fields)
        assert list(refused.context["adminform"].form.errors) == ["tenant"]
        contact = make_contact(deleted=True)
        assert b"_save" not in office.get(change(contact)).content
        assert office.post(change(contact), {**fields, "tenant": str(contact.tenant_id)}).status_code == 403

    def test_stays_where_it_is_held_when_something_else_is_changed(self, office):
        contact = make_contact(make_tenant(name="Gone", deleted=True))
        assert "Gone" in office.get(change(contact)).content.decode()
        fields = {"first_name": "Grace", "last_name": "Hopper", "email": contact.email, "tenant": contact.tenant_id}
        assert office.post(change(contact), fields).status_code == 302
        contact.refresh_from_db()
        assert (contact.first_name, contact.tenant.name) == ("Grace", "Gone")

    @pytest.mark.postgresql
    def test_by_somebody_while_another_changes_as_many_makes_neither_fail(self, office, staff, transactional_db):
        tenants = [make_tenant(id=uuid.UUID(int=number)) for number in (2**127, 1)]  # not in the order of locks
        chosen = {"action": "delete_selected", "_selected_action": [str(each.id) for each in tenants], "post": "yes"}
        held = threading.Event()

        def act(number):
            if number == 0:
                with transaction.atomic():
                    Tenant.objects.select_for_update().get(id=tenants[0].id)
                    held.set()
                    wait_until(lambda: waiting() == 2)
                return 200
            held.wait()
            wait_until(lambda: waiting() == number - 1)
            if number == 1:
                return office.post(changelist(Tenant), chosen).status_code
            return staff.patch('/tenants?where={"name":{"neq":""}}', {"name": "Acme plc"}).status_code

        assert at_once(3, act) == [200, 302, 200]

    def test_is_restored_from_the_list(self, office):
        tenant = make_tenant(name="Gone", deleted=True)
        chosen = {"action": "restore_selected", "_selected_action": [str(tenant.id)]}
        page = office.post(changelist(Tenant, "?deleted=yes"), chosen, follow=True)
        assert "1 was restored" in page.content.decode()
        tenant.refresh_from_db()
        assert (tenant.deleted, tenant.deleted_on) == (False, None)
        assert tenant.modified_by is not None

    def test_can_be_told_from_what_is_not_in_a_list_and_on_its_page(self, office):
        here, gone = make_tenant(name="Here"), make_tenant(name="Gone", deleted=True)
        for query, marks in {"": 0, "?deleted=all": 1, "?deleted=yes": 1}.items():
            rows = office.get(changelist(Tenant, query)).content.decode().partition("<tbody")[2]
            assert rows.count('data-label="deleted"') == (rows.count("<tbody") + 1 if marks else 0)
            assert len(re.findall(r"<span[^>]*>\s*deleted\s*</span>", rows)) == marks
        assert "This is deleted" in office.get(change(gone)).content.decode()
        assert "This is deleted" not in office.get(change(here)).content.decode()

    def test_is_not_deleted_once_more(self, office):
        here, gone = make_contact(), make_contact(deleted=True)
        delete = {each: reverse("admin:tenants_contact_delete", args=[each.pk]) for each in (here, gone)}
        assert delete[here] in office.get(change(here)).content.decode()
        assert delete[gone] not in office.get(change(gone)).content.decode()
        assert office.post(delete[gone], {"post": "yes"}).status_code == 403

    def test_was_asked_for_on_a_page_that_says_that_it_comes_back_and_what_goes_on(self, office):
        tenant, contact = make_tenant(name="Acme"), make_contact()
        page = office.get(reverse("admin:tenants_tenant_delete", args=[tenant.pk])).content.decode()
        assert not [word for word in ("Acme", "can be restored", "goes on running") if word not in page]
        assert "related items" not in page
        chosen = {"action": "delete_selected", "_selected_action": [str(tenant.pk)]}
        page = office.post(changelist(Tenant), chosen).content.decode()
        assert not [word for word in ("Delete 1 tenant", "can be restored", "goes on running") if word not in page]
        assert Tenant.objects.filter(id=tenant.id).exists()
        office.post(changelist(Tenant), {**chosen, "post": "yes"})
        assert not Tenant.objects.filter(id=tenant.id).exists()
        page = office.get(reverse("admin:tenants_contact_delete", args=[contact.pk])).content.decode()
        assert "goes on running" not in page

    def test_is_not_restored_where_its_place_is_taken_and_the_page_says_so(self, office):
        tenant = make_tenant(key="acme", deleted=True)
        make_tenant(key="acme")
        chosen = {"action": "restore_selected", "_selected_action": [str(tenant.id)]}
        page = office.post(changelist(Tenant, "?deleted=yes"), chosen, follow=True)
        assert "This key belongs to another tenant." in page.content.decode()
        tenant.refresh_from_db()
        assert tenant.deleted

    def test_is_not_among_the_parts_on_a_tenants_page(self, office):
        tenant = make_tenant()
        make_contact(tenant, email="here@acme.example")
        make_contact(tenant, email="gone@acme.example", deleted=True)
        page = office.get(change(tenant)).content.decode()
        assert "here@acme.example" in page
        assert "gone@acme.example" not in page


def test_a_change_in_the_admin_says_who_made_it(office):
    contact = make_contact()
    fields = {
        "first_name": "Grace", "last_name": "Hopper", "email": "grace@acme.example", "tenant": str(contact.tenant_id)
    }  # fmt: skip
    assert office.post(change(contact), fields).status_code == 302
    changed = Contact.objects.get(id=contact.id)
    assert changed.first_name == "Grace"
    assert str(changed.modified_by) == office.session["_auth_user_id"]


class TestPages:
    def test_of_an_invoice_show_lines_taxes_and_total(self, office):
        lines = [
            Line("Support", Decimal("10.50"), quantity=Decimal(2), tax_rate=Decimal(20)),
            Line("Hosting", Decimal(100), discount_percent=Decimal(10)),
        ]
        page = office.get(change(make_invoice(lines=lines))).content.decode()
        assert "&#x27;overdue&#x27;" not in page  # the badge is a pair, which lists alone know how to show
        for word in ("Support", "10.50 EUR", "Tax, 20 % of 21.00 EUR", "4.20 EUR", "10 %", "115.20 EUR", "Acme Ltd"):
            assert word in page, word

    def test_of_billing_say_days_and_money_as_the_pdf_does(self, office, settings):
        settings.BILLING_TIME_ZONE = "Asia/Tokyo"
        invoice = make_invoice(due_date=datetime(2026, 2, 28, 20, tzinfo=UTC))
        subscription = make_subscription(period_price=Decimal(7), tax_rate=Decimal(19))
        for page, words in (
            (changelist(Invoice), ["March 1, 2026"]),
            (change(invoice), ["March 1, 2026"]),
            (change(subscription), ["7.00 EUR", "19 %"]),
        ):
            said = office.get(page).content.decode()
            assert not [word for word in words if word not in said]

    def test_of_billing_write_amounts_and_days_as_their_reader_does(self, office):
        line = Line(
            "Calls", Decimal("0.0125"), Decimal(100_000), tax_rate=Decimal("7.5"), discount_percent=Decimal("0.5")
        )
        invoice = make_invoice(lines=[line], status=InvoiceStatus.DRAFT, due_date=datetime(2026, 2, 28, tzinfo=UTC))
        plan = make_plan(price=Decimal("1234.5"))
        subscription = make_subscription(invoice.tenant, plan, tax_rate=Decimal("7.5"), credit=Decimal(1000))
        for page, words in {
            changelist(Invoice): ["Entwurf über 1.337,03 EUR", "28. Februar 2026"],
            change(invoice): [
                "100.000", "0,0125 EUR", "0,5 %", "7,5 %", "7,5 % von 1.243,75 EUR", "93,28 EUR",
            ],
            changelist(Plan): ["1.234,50 EUR"],
            changelist(Subscription): ["1.234,50 EUR"],
            change(subscription): ["1.234,50 EUR", "7,5 %", "1.000,00 EUR"],
            change(invoice.tenant): ["1.337,03 EUR", "1.234,50 EUR"],
        }.items():  # fmt: skip
            said = office.get(page, headers={"Accept-Language": "de"}).content.decode()
            assert not [word for word in words if word not in said], page

    def test_of_events_and_deliveries_lead_to_whom_they_are_about(self, office):
        lead, tenant = make_lead(email="ada@acme.example"), make_tenant(name="Acme Inc", deleted=True)
        for subject in (lead.id, tenant.id, uuid.UUID(int=1)):
            event = Event.objects.create(type="LEAD_CREATED", subject=subject)
            Delivery.objects.create(event=event, subject=subject, destination="mail:x", last_error="x" * 500)
        listed = [office.get(changelist(model)).content.decode() for model in (Event, Delivery)]
        assert not [page for page in listed if change(lead) not in page or change(tenant) not in page]
        assert not [page for page in listed if ">ada@acme.example<" not in page or ">Acme Inc<" not in page]
        assert "x" * 81 not in listed[1]
        assert date_format(localtime(), "DATE_FORMAT") in listed[1]
        for row in (*Event.objects.all(), *Delivery.objects.all()):
            page = office.get(change(row)).content.decode()
            ways = {lead.id: change(lead), tenant.id: change(tenant)}
            assert ways.get(row.subject, str(row.subject)) in page

    def test_of_the_audit_log_say_what_the_button_says_and_lead_to_what_it_is_about(self, office):
        invoice = make_invoice(status=InvoiceStatus.PENDING)
        office.post(reverse("admin:billing_invoice_mail_again", args=[invoice.pk]))
        entry = LogEntry.objects.get()
        for page in (changelist(LogEntry), change(entry)):
            said = office.get(page).content.decode()
            assert "Mail again" in said
            assert change(invoice) in said
        assert "/history/" not in said

    def test_are_titled_by_words_and_say_who_made_what(self, office):
        subscription = make_subscription(make_tenant(name="Acme Inc"))
        assert "Standard, Acme Inc" in office.get(change(subscription)).content.decode()
        boss = make_user(username="boss")
        contact = make_contact(created_by=boss.pk)
        page = office.get(change(contact)).content.decode()
        assert "boss" in page
        assert "Deleted by" not in page
        assert "Deleted by" in office.get(change(make_contact(deleted=True))).content.decode()

    def test_of_a_tenant_begin_with_what_it_is_and_has_now(self, office):
        lead = make_lead(last_name="Byron")
        tenant = make_run(make_tenant(lead=lead), tier="BASIC").tenant
        contact = make_contact(tenant, is_primary=True, last_name="King")
        taken, run = make_subscription(tenant, make_plan(name="Gold", tier="PREMIUM")), tenant.runs.get()
        page = office.get(change(tenant))
        overview, details, *_ = page.context["adminform"].fieldsets
        assert (str(overview[0]), str(details[0])) == ("Overview", "Details")
        said = page.content.decode()
        text = re.sub(r"\s+", " ", said[said.index("fieldset-overview") : said.index("fieldset-details")])
        for each, name in ((taken, "Gold"), (contact, "Ada King"), (lead, "Ada Byron"), (run, "provisioning")):
            assert re.search(rf'<a href="{change(each)}" class="text-link">{name}', text), name
        event = Event.objects.get(subject=tenant.id)
        assert f'{change(event)}" class="text-link">TENANT_PROVISIONING</a>, {second(event.occurred_on)}' in text
        for word in ("> PROVISIONING </span>", ">PREMIUM<", "> open </span>"):
            assert word in text

    def test_of_a_tenant_show_its_events_with_where_they_went_and_lead_to_the_rest(self, office):
        tenant, other = make_run().tenant, make_run().tenant
        (event,) = Event.objects.filter(subject=tenant.id)
        said = office.get(change(tenant)).content.decode()
        text = said[said.index("fieldset-events") : said.index("fieldset-record")]
        delivery = event.deliveries.get()
        assert change(event) in text
        assert f'{change(delivery)}" class="text-link">{delivery}</a>' in text
        assert "pending" in text
        assert change(Event.objects.get(subject=other.id)) not in said
        (every,) = re.findall(r'href="([^"]+)" class="text-link">All events of this tenant', text)
        assert list(office.get(every).context["cl"].queryset) == [event]

    def test_of_a_tenant_show_its_events_to_whoever_may_see_them(self, client):
        user, tenant = make_user(is_staff=True), make_run().tenant
        user.user_permissions.add(Permission.objects.get(codename="view_tenant"))
        client.force_login(user)
        assert b"fieldset-events" not in client.get(change(tenant)).content
        user.user_permissions.add(Permission.objects.get(codename="view_event"))
        assert b"fieldset-events" in client.get(change(tenant)).content

    @pytest.mark.parametrize("make", [make_tenant, make_lead])
    def test_read_the_timeline_once(self, office, make):
        asked = statements(office, change(make()))
        for table in ("events", "refused_calls"):
            assert len([sql for sql in asked if f'FROM "{table}"' in sql and "LIMIT 100" in sql]) == 1

    def test_look_up_once_who_made_and_who_changed_what_they_show(self, office):
        boss, clerk = make_user(username="boss"), make_user(username="clerk")
        page, nobodys = change(make_contact(created_by=boss.pk, modified_by=clerk.pk)), change(make_contact())
        assert len(statements(office, page)) == len(statements(office, nobodys)) + 1
        assert not [name for name in ("boss", "clerk") if name not in office.get(page).content.decode()]

    def test_take_as_many_statements_for_many_parts_as_for_few(self, office):
        def add() -> None:
            make_payment(invoice)
            make_subscription(tenant, status=SubscriptionStatus.CANCELLED)

        invoice, tenant = make_invoice(), make_tenant()
        add()
        few = [len(statements(office, change(each))) for each in (invoice, tenant)]
        for _ in range(4):
            add()
        assert [len(statements(office, change(each))) for each in (invoice, tenant)] == few
