"""Lists as CSV and XLSX files: what leaves, filtered and harmless, and how a file becomes rows again."""

import csv
import io
import re
from datetime import UTC, datetime
from decimal import Decimal

import openpyxl
import pytest
from auditlog.models import LogEntry
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import Invoice, Payment, Plan, Subscription
from config.exchange import ExchangeAdmin, ExportAdmin
from identity.models import User
from identity.roles import ADMINISTRATOR, BILLING, CODES, OPERATOR
from leads.models import Lead
from provisioning.models import Event
from tenants.models import Contact, Tenant
from tests.conftest import at_once
from tests.make import (
    make_address,
    make_contact,
    make_invoice,
    make_lead,
    make_payment,
    make_plan,
    make_subscription,
    make_tenant,
    make_user,
)

pytestmark = pytest.mark.django_db
CSV, XLSX = "0", "1"
EXPORTED = {Lead, Tenant, Contact, Plan, Subscription, Invoice, Payment}
IMPORTED = {
    Tenant: {ADMINISTRATOR, OPERATOR}, Contact: {ADMINISTRATOR, OPERATOR}, Plan: {ADMINISTRATOR, BILLING},
}  # fmt: skip


def address(model, page: str) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")


def export(office, model, kind: str = CSV, query: str = ""):
    answer = office.post(address(model, "export") + query, {"format": kind, "resource": "0"})
    answer.held = b"".join(answer.streaming_content) if answer.streaming else b""
    return answer


def rows_of(answer) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.held.decode("utf-8-sig"), newline="")))


def upload(office, model, content: str | bytes, kind: str = CSV):
    file = io.BytesIO(content.encode() if isinstance(content, str) else content)
    file.name = "list.csv" if kind == CSV else "list.xlsx"
    return office.post(address(model, "import"), {"format": kind, "resource": "0", "import_file": file})


def confirm(office, model, page):
    return office.post(address(model, "process_import"), page.context["confirm_form"].initial, follow=True)


def test_a_page_of_files_says_what_it_does_to_which_list_and_leads_back(office):
    for model, page, said, button in (
        (Tenant, "export", "Export tenants", "Export"), (Contact, "import", "Import contacts", "Import"),
    ):  # fmt: skip
        text = office.get(address(model, page) + "?q=acme").content.decode()
        assert re.search(rf"<h2[^>]*>{said}</h2>", text)
        assert re.search(rf"<button[^>]*>\s*{button}\s*</button>", text)
        assert f'href="{address(model, "changelist")}?q=acme"' in text
        assert not [word for word in ("Submit", "This importer", "This exporter") if word in text]


class TestExports:
    def test_hold_what_the_list_shows_in_the_names_of_the_api(self, office):
        lead = make_lead(first_name="Zoë", address=make_address(city="Łódź"))
        (row,) = rows_of(export(office, Lead))
        assert (row["id"], row["firstName"], row["city"]) == (str(lead.id), "Zoë", "Łódź")
        assert row["isValidated"] == "true"
        assert row["createdOn"] == lead.created_on.isoformat(timespec="seconds").replace("+00:00", "Z")

    def test_say_who_the_contact_of_a_tenant_is(self, office):
        tenant = make_tenant(domains=["acme.example", "acme.org"])
        make_contact(tenant, email="second@acme.example")
        make_contact(tenant, email="first@acme.example", is_primary=True)
        (row,) = rows_of(export(office, Tenant))
        assert (row["contactEmail"], row["status"]) == ("first@acme.example", "PENDINGPROVISION")
        assert row["domains"] == "acme.example, acme.org"

    def test_hold_the_money_as_numbers(self, office):
        invoice = make_invoice()
        make_payment(invoice, amount=Decimal("-5.5"), reference="-1+1")
        (row,) = rows_of(export(office, Payment))
        assert (row["amount"], row["reference"], row["invoiceNumber"]) == ("-5.500", "'-1+1", invoice.number)
        book = openpyxl.load_workbook(io.BytesIO(export(office, Invoice, XLSX).held))
        header, values = book.active.iter_rows(values_only=True)
        found = dict(zip(header, values, strict=True))
        assert (found["openAmount"], found["number"]) == (120.5, invoice.number)
        assert isinstance(found["issuedOn"], datetime)

    def test_keep_to_the_filters_and_the_search_of_the_list(self, office):
        make_tenant(name="Here", status=0), make_tenant(name="There"), make_tenant(name="Gone", deleted=True)
        expected = {
            "": {"Here", "There"}, "?status__exact=0": {"Here"}, "?q=There": {"There"}, "?deleted=yes": {"Gone"},
        }  # fmt: skip
        for query, names in expected.items():
            assert {row["name"] for row in rows_of(export(office, Tenant, query=query))} == names
        page = office.get(address(Tenant, "changelist") + "?status__exact=0").content.decode()
        assert f"{address(Tenant, 'export')}?status__exact=0" in page

    def test_leave_no_formula_behind(self, office):
        for start in "=+-@\t\r":
            make_plan(name="Plan", description=f"{start}cmd|' /C calc'!A0")
        assert all(row["description"].startswith("'") for row in rows_of(export(office, Plan)))
        book = openpyxl.load_workbook(io.BytesIO(export(office, Plan, XLSX).held))
        cells = [cell for row in book.active.iter_rows(min_row=2) for cell in row]
        assert not [cell for cell in cells if cell.data_type == "f"]
        assert not [cell for cell in cells if isinstance(cell.value, str) and cell.value[0] in "=+-@\t\r"]

    def test_take_as_many_statements_for_many_rows_as_for_few(self, office):
        def counted() -> dict[str, int]:
            counts = {}
            for model in EXPORTED:
                with CaptureQueriesContext(connection) as queries:
                    assert rows_of(export(office, model))
                counts[model.__name__] = len(queries)
            return counts

        def customer():
            tenant = make_tenant(lead=make_lead(address=make_address()), address=make_address())
            make_contact(tenant), make_subscription(tenant), make_payment(make_invoice(tenant))

        customer()
        counted()
        few = counted()
        customer(), customer()
        assert counted() == few
        assert max(few.values()) < 10

    def test_are_in_the_audit_log_with_the_filter(self, office):
        export(office, Tenant, query="?q=acme")
        entry = LogEntry.objects.get()
        assert (entry.action, entry.object_repr) == (LogEntry.Action.ACCESS, "q=acme")
        assert b"Export" in office.get(address(LogEntry, "changelist")).content
        assert office.get(reverse("admin:auditlog_logentry_change", args=[entry.pk])).status_code == 200

    def test_of_a_filter_that_makes_no_sense_lead_back_to_the_list(self, office):
        assert export(office, Tenant, query="?nonsense=1").status_code == 302
        page = export(office, Tenant, kind="7")
        assert (page.status_code, bool(page.context["form"].errors)) == (200, True)
        page = office.post(address(Tenant, "export"), {"format": CSV, "export_items": ["1", "x"]})
        assert page.status_code == 200

    def test_hold_no_column_that_is_a_secret(self):
        for page in admin.site._registry.values():
            if isinstance(page, ExportAdmin):
                named = {part for path in page.sheet.columns.values() for part in path.split("__")}
                assert not named & {"config_value", "secret", "key_hash", "password", "memory", "context", "metadata"}


class TestImports:
    def test_add_contacts_after_a_preview(self, office):
        tenant = make_tenant(key="acme")
        page = upload(
            office, Contact, "firstName,lastName,email,tenantKey,isPrimary\nGrace,Hopper,g@x.example,acme,yes\n"
        )
        assert "1 to add, 0 to change" in page.content.decode()
        assert not Contact.objects.exists()
        assert "1 new" in confirm(office, Contact, page).content.decode()
        contact = Contact.objects.get()
        assert (contact.tenant, contact.first_name, contact.is_primary) == (tenant, "Grace", True)
        assert str(contact.created_by) == office.session["_auth_user_id"]
        entry = LogEntry.objects.get()
        assert (entry.additional_data["operation"], entry.object_pk) == ("import", str(contact.id))

    @pytest.mark.parametrize("kind", [CSV, XLSX])
    def test_change_what_was_exported_and_leave_alone_what_is_the_same(self, office, kind):
        changed, same = make_contact(first_name="=Ada"), make_contact(contact_type="+1", last_name="'=Bea")
        content = export(office, Contact, kind).held
        if kind == CSV:
            content = content.replace(b"'=Ada", b"Grace")
        else:
            book = openpyxl.load_workbook(io.BytesIO(content))
            next(cell for row in book.active for cell in row if cell.value == "'=Ada").value = "Grace"
            book.save(file := io.BytesIO())
            content = file.getvalue()
        page = upload(office, Contact, content, kind)
        assert "0 to add, 1 to change, 1 as they are" in page.content.decode()
        assert "<del>=Ada</del> <ins>Grace</ins>" in page.content.decode()
        confirm(office, Contact, page)
        assert Contact.objects.get(id=changed.id).first_name == "Grace"
        kept = Contact.objects.get(id=same.id)
        assert (kept.contact_type, kept.last_name) == ("+1", "'=Bea")
        assert LogEntry.objects.filter(additional_data__operation="import").get().changes == {
            "first_name": ["=Ada", "Grace"]
        }

    def test_move_no_contact_to_the_next_owner_of_its_tenants_key(self, office):
        former = make_tenant(key="acme", deleted=True)
        contact = make_contact(former, first_name="Ada")
        make_tenant(key="acme")
        confirm(office, Contact, upload(office, Contact, export(office, Contact).held.replace(b"Ada", b"Grace")))
        contact.refresh_from_db()
        assert (contact.first_name, contact.tenant) == ("Grace", former)

    def test_make_tenants_with_their_contact_and_tell_of_them(self, office):
        page = upload(
            office, Tenant,
            "name;key;domains;contactFirstName;contactLastName;contactEmail;city;country\n"
            "Acme;acme;acme.example,acme.org;Ada;Lovelace;ada@acme.example;London;GB\n",
        )  # fmt: skip
        assert not Event.objects.exists()
        confirm(office, Tenant, page)
        tenant = Tenant.objects.get()
        assert (tenant.domains, tenant.address.city) == (["acme.example", "acme.org"], "London")
        assert tenant.primary_contact.email == "ada@acme.example"
        assert Event.objects.filter(subject=tenant.id).exists()

    def test_take_plans_with_their_json(self, office):
        make_plan(features=["a", "b"], size_config={"cpu": 2}, description=None)
        content = export(office, Plan).held
        Plan.objects.update(features=[], size_config={})
        confirm(office, Plan, upload(office, Plan, content))
        assert (Plan.objects.get().features, Plan.objects.get().size_config) == (["a", "b"], {"cpu": 2})

    def test_are_all_or_nothing_with_each_fault_named(self, office):
        make_tenant(key="acme")
        page = upload(
            office, Contact,
            "firstName,lastName,email,tenantKey\nA,B,good@x.example,acme\n,B,nonsense,acme\nA,B,c@x.example,nobody\n",
        )  # fmt: skip
        text = page.content.decode()
        assert "confirm_form" not in page.context
        for fault in (
            "Enter a valid email address.",
            "This field may not be blank.",
            "There is no tenant of this key.",
        ):
            assert fault in text
        assert not Contact.objects.exists()
        assert not LogEntry.objects.exists()

    def test_name_all_faults_of_a_row_by_the_files_columns(self, office):
        def faults(model, content: str) -> dict[str, list[str]]:
            [row] = upload(office, model, content).context["result"].invalid_rows
            return row.field_specific_errors

        found = faults(Contact, "firstName,lastName,email,tenantKey\n,B,nonsense,nobody\n")
        assert sorted(found) == ["email", "firstName", "tenantKey"]
        assert found["tenantKey"] == ["There is no tenant of this key."]
        assert list(faults(Contact, "firstName,lastName,email,tenantKey\nA,B,a@x.example,\n")) == ["tenantKey"]
        plan = "name,tier,price,currencyCode,features\nNew,GOLD,-1,EUR,[\n"
        assert sorted(faults(Plan, plan)) == ["features", "price", "tier"]

    def test_are_shown_beforehand_with_heads_in_words(self, office):
        make_tenant(key="acme")
        line = "Acme,other,acme.example,Ada,Lovelace,ada@acme.example,GB"
        head = "name,key,domains,contactFirstName,contactLastName,contactEmail,country"
        for model, content, heads in (
            (Contact, "firstName,lastName,email,tenantKey\nA,B,a@x.test,acme\n", {"First name", "Key of the tenant"}),
            (Tenant, f"{head}\n{line}\n", {"Domains", "First name of the contact", "Postal code"}),
            (Plan, "name,tier,price,currencyCode\nNew,BASIC,5,EUR\n", {"Billing cycle", "On offer"}),
        ):
            result = upload(office, model, content).context["result"]
            assert heads <= {*result.diff_headers}
            assert len(result.rows[0].diff) == len(result.diff_headers)

    def test_are_refused_by_the_rules_of_the_database_too(self, office):
        make_contact(make_tenant(key="acme"), is_primary=True)
        page = upload(
            office, Contact, "firstName,lastName,email,tenantKey,isPrimary\nA,B,c@x.example,acme,true\n"
        )  # fmt: skip
        assert "This tenant has a primary contact already." in page.content.decode()
        line = "Acme,acme,acme.example,Ada,Lovelace,ada@{},\n"
        head = "name,key,domains,contactFirstName,contactLastName,contactEmail,country\n"
        page = upload(office, Tenant, head + line.format("acme.example") + line.format("other.example"))
        text = page.content.decode()
        assert "This key belongs to another tenant." in text
        assert "The mail domain other.example is not among the domains." in text

    def test_write_nothing_when_things_have_changed_since_the_preview(self, office):
        tenant = make_tenant(key="acme")
        page = upload(
            office, Contact,
            "firstName,lastName,email,tenantKey,isPrimary\nA,B,a@x.example,acme,\nA,B,c@x.example,acme,true\n",
        )  # fmt: skip
        make_contact(tenant, is_primary=True)
        assert "Nothing was imported" in confirm(office, Contact, page).content.decode()
        assert Contact.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("model", [Contact, Plan])
    def test_that_are_confirmed_several_times_at_once_are_made_once(self, office, model):
        make_tenant(key="acme")
        files = {
            Contact: "firstName,lastName,email,tenantKey\nAda,Lovelace,ada@acme.example,acme\n",
            Plan: "name,tier,price,currencyCode\nNew,BASIC,5,EUR\n",
        }
        confirmation = upload(office, model, files[model]).context["confirm_form"].initial
        browsers = [Client() for _ in range(4)]
        for browser in browsers:
            browser.force_login(User.objects.get())
        at_once(4, lambda each: browsers[each].post(address(model, "process_import"), confirmation))
        assert model.objects.count() == 1
        late = office.post(address(model, "process_import"), confirmation)
        assert "imported already" in late.content.decode()
        assert model.objects.count() == 1

    def test_do_not_bring_the_deleted_back(self, office):
        contact = make_contact(deleted=True)
        page = upload(office, Contact, f"id,firstName\n{contact.id},Eve\n")
        assert "There is no such object." in page.content.decode()


class TestRoles:
    def test_every_list_with_files_is_in_the_tables(self):
        pages = admin.site._registry.items()
        assert {model for model, page in pages if isinstance(page, ExportAdmin)} == EXPORTED
        assert {model for model, page in pages if isinstance(page, ExchangeAdmin)} == set(IMPORTED)

    @pytest.mark.parametrize("role", CODES)
    def test_a_role_exports_what_it_sees_and_imports_what_it_may_write(self, as_role, role):
        office = as_role(role)
        for model in EXPORTED:
            page = office.get(address(model, "changelist")).content.decode()
            assert address(model, "export") in page
            assert export(office, model).status_code == 200
            if model in IMPORTED:
                may = role in IMPORTED[model]
                assert (address(model, "import") in page) == may
                assert (office.get(address(model, "import")).status_code == 200) == may
                assert (upload(office, model, "id\n").status_code == 403) == (not may)
                assert (office.post(address(model, "process_import"), {}).status_code == 403) == (not may)

    def test_nobody_exports_what_they_may_not_see(self, client):
        client.force_login(make_user(is_staff=True))
        for model in EXPORTED:
            assert client.get(address(model, "export")).status_code == 403
            assert export(client, model).status_code == 403


def test_moments_in_a_file_are_in_utc(office):
    make_tenant(created_on=datetime(2026, 3, 1, 12, 30, tzinfo=UTC))
    assert rows_of(export(office, Tenant))[0]["createdOn"] == "2026-03-01T12:30:00Z"
