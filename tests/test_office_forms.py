"""The forms of the back-office: what they refuse, and that they write nothing over what they have not seen."""

import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from billing.models import BillingCustomer, Plan
from config.domains import ascii_address
from identity.models import User
from identity.roles import ADMINISTRATOR, SUPPORT, make_roles
from leads.models import Address, Lead
from provisioning.models import Delivery
from tenants.models import Branding, Contact, Resource, Tenant, TenantConfig, TenantStatus
from tests.conftest import at_once
from tests.make import (
    make_address,
    make_config,
    make_contact,
    make_invoice,
    make_key,
    make_lead,
    make_plan,
    make_resource,
    make_run,
    make_tenant,
    make_user,
)
from tests.test_offboarding import purge
from tests.test_office import change, changelist

pytestmark = pytest.mark.django_db


PARTS = {
    f"{prefix}-{name}": "0"
    for prefix in ("contacts", "resources", "configs", "subscriptions", "invoices")
    for name in ("TOTAL_FORMS", "INITIAL_FORMS")
}
"""What the form of a tenant's page sends besides its fields."""


def form_of(obj) -> dict[str, Any]:
    """What the page of `obj` sends when nothing was typed."""
    match obj:
        case Tenant():
            own = {"name": obj.name, "key": obj.key, "domains": obj.listed_domains, "spoc_user_id": ""}
            return {**own, "lead": str(obj.lead_id or ""), "address": "", **PARTS}
        case Lead():
            names = {"first_name": obj.first_name, "last_name": obj.last_name, "company_name": obj.company_name}
            return {**names, "email": obj.email, "address": "", "language": ""}
        case Address():
            return {name: getattr(obj, name) or "" for name in ("address", "zip", "city", "state", "country")}
        case Contact():
            names = {"first_name": obj.first_name, "last_name": obj.last_name, "email": obj.email}
            return {**names, "contact_type": "", "tenant": str(obj.tenant_id)}
        case Resource():
            return {"type": obj.type, "metadata": "{}", "external_identifier": "", "tenant": str(obj.tenant_id)}
        case User():
            ticked = {name: "on" for name in ("is_staff", "is_active") if getattr(obj, name)}
            own = {"username": obj.username, "date_joined_0": "2026-01-01", "date_joined_1": "0:00"}
            return {**own, **ticked, "groups": [each.pk for each in obj.groups.all()]}
        case Group():
            return {"name": obj.name, "permissions": [each.pk for each in obj.permissions.all()]}
        case TenantConfig():
            return {"config_key": obj.config_key, "config_value": '{"a": 1}', "tenant": str(obj.tenant_id)}
    return {"name": "Acme", "tax_id": "", "address": "", "country": "", "email": "", "tenant": str(obj.tenant_id)}


class TestAPageThatIsOlderThanAChange:
    def typed(self, office, obj, **values) -> dict[str, Any]:
        seen = office.get(change(obj)).context["adminform"].form["seen"].value()
        return {**form_of(obj), "seen": seen, **values}

    def test_writes_nothing_over_it_and_says_so(self, office, staff):
        contact = make_contact(first_name="Ada")
        typed = self.typed(office, contact, email="new@acme.example")
        assert f'name="seen" value="{typed["seen"]}"' in office.get(change(contact)).content.decode()
        assert staff.patch(f"/contacts/{contact.id}", {"firstName": "Grace"}).status_code == 204
        page = office.post(change(contact), typed)
        assert "This has been changed meanwhile." in page.content.decode()
        contact.refresh_from_db()
        assert (contact.first_name, contact.email) == ("Grace", "ada@acme.example")
        typed = self.typed(office, contact, email="new@acme.example")
        assert office.post(change(contact), typed).status_code == 302
        contact.refresh_from_db()
        assert (contact.first_name, contact.email) == ("Grace", "new@acme.example")

    def test_gives_back_neither_login_nor_role_nor_permission(self, office):
        make_roles(Group, Permission)
        role = Group.objects.get(name=ADMINISTRATOR)
        eve = make_user(username="eve", is_staff=True)
        eve.groups.add(role)
        for obj, taken, later in (
            (eve, {"groups": []}, {"email": "eve@acme.example"}),
            (eve, {"is_active": ""}, {"email": "eve@acme.example"}),
            (role, {"permissions": []}, {"name": "Boss"}),
        ):
            typed = self.typed(office, obj)
            assert f'name="seen" value="{typed["seen"]}"' in office.get(change(obj)).content.decode()
            assert office.post(change(obj), {**typed, **taken}).status_code == 302
            page = office.post(change(obj), {**typed, **later})
            assert "This has been changed meanwhile." in page.content.decode()
            assert office.post(change(obj), {**self.typed(office, obj), **taken, **later}).status_code == 302
        eve.refresh_from_db()
        assert (eve.is_active, eve.groups.count(), role.permissions.count()) == (False, 0, 0)

    def test_is_not_one_that_came_in_another_language(self, office):
        make_roles(Group, Permission)
        role = Group.objects.get(name=ADMINISTRATOR)
        typed = self.typed(office, role, name="Boss")
        assert office.post(change(role), typed, headers={"Accept-Language": "de"}).status_code == 302
        role.refresh_from_db()
        assert role.name == "Boss"

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("make", [make_contact, make_user])
    def test_is_what_all_but_one_are_of_those_that_are_saved_at_once(self, office, monkeypatch, make):
        me, obj = User.objects.get(), make()
        monkeypatch.setattr(type(obj), "clean", lambda self: time.sleep(0.3))  # after the form's check, before it saves
        typed = self.typed(office, obj)
        browsers = [Client() for _ in range(3)]
        for browser in browsers:
            browser.force_login(me)
        answers = at_once(3, lambda each: browsers[each].post(change(obj), {**typed, "last_name": f"N{each}"}))
        assert sorted(answer.status_code for answer in answers) == [200, 200, 302]

    def test_brings_nothing_back_that_was_erased(self, office, staff):
        lead = make_lead(address=make_address())
        tenant = make_tenant(lead=lead, address=lead.address)
        typed = self.typed(office, lead.address, city="Paris")
        staff.delete(f"/tenants/{tenant.id}")
        purge()
        assert "This has been changed meanwhile." in office.post(change(lead.address), typed).content.decode()
        assert Address.objects.values_list("address", "city").get() == (None, None)

    def test_brings_nothing_back_that_is_erased_while_it_is_saved(self, office, staff, monkeypatch):
        for part in (False, True):
            tenant = make_tenant(lead=make_lead())
            obj = make_contact(tenant) if part else tenant.lead
            typed = self.typed(office, obj, first_name="Grace")
            staff.delete(f"/tenants/{tenant.id}")
            # After the row was read, before the form's check.
            monkeypatch.setattr("config.forms.ascii_address", lambda email: purge() or email)
            assert "This has been changed meanwhile." in office.post(change(obj), typed).content.decode()
        assert set(Lead.everything.values_list("first_name", "deleted")) == {("(erased)", True)}
        assert not Contact.everything.exists()

    def test_is_not_one_that_only_shows(self, as_role):
        page = as_role(SUPPORT).get(change(make_contact()))
        assert page.status_code == 200
        assert 'name="seen"' not in page.content.decode()


class TestWhatIsTaken:
    def refused(self, office, obj, **typed) -> str:
        page = office.post(change(obj), {**form_of(obj), **typed})
        assert page.status_code == 200
        return str(page.context["adminform"].form.errors)

    def test_is_refused_at_the_form_with_the_sentence_of_the_constraint(self, office):
        lead, tenant, other = make_lead(), make_tenant(key="acme"), make_tenant()
        make_tenant(lead=lead)
        make_contact(tenant, is_primary=True)
        resource, config = make_resource(tenant), make_config(tenant)
        customer = BillingCustomer.objects.create(tenant=tenant, name="Acme")
        for obj, typed, said in (
            (other, {"key": "acme"}, "This key belongs to another tenant."),
            (other, {"lead": str(lead.id)}, "This lead has a tenant already."),
            (make_lead(), {"email": lead.email.upper()}, "belongs to somebody who has signed up already."),
            (make_contact(tenant), {"is_primary": "on"}, "This tenant has a primary contact already."),
            (make_resource(tenant), {"external_identifier": resource.external_identifier}, "of this identifier"),
            (make_config(tenant), {"config_key": config.config_key}, "of this key already."),
            (
                BillingCustomer.objects.create(tenant=other, name="Other"),
                {"tenant": str(customer.tenant_id)},
                "has a billing customer already.",
            ),
        ):
            assert said in self.refused(office, obj, **typed), typed

    def test_is_free_again_with_what_was_deleted(self, office):
        make_tenant(key="acme", deleted=True)
        tenant = make_tenant()
        assert office.post(change(tenant), {**form_of(tenant), "key": "acme"}).status_code == 302

    def test_between_the_check_and_the_saving_is_told_and_saves_nothing(self, office, monkeypatch):
        make_tenant(key="acme")
        tenant = make_tenant(key="other")
        monkeypatch.setattr(Tenant, "validate_constraints", lambda self, exclude=None: None)
        page = office.post(change(tenant), {**form_of(tenant), "key": "acme"}, follow=True)
        assert "This key belongs to another tenant." in page.content.decode()
        assert Tenant.objects.get(id=tenant.id).key == "other"
        assert not LogEntry.objects.exists()


class TestTheAddressOfALeadThatStaffChange:
    def changed(self, office, lead) -> None:
        assert office.post(change(lead), {**form_of(lead), "email": "ada@acme.example"}).status_code == 302
        lead.refresh_from_db()

    def test_is_not_proved_by_a_key_that_went_to_the_former(self, office, anyone):
        lead = make_lead(is_validated=False, email="typo@stranger.example")
        former = make_key(lead)
        self.changed(office, lead)
        verify = f"/leads/{lead.id}/verify"
        assert anyone.post(verify, Authorization=f"Bearer {former}").status_code == 401
        assert anyone.post(verify, Authorization=f"Bearer {make_key(lead)}").status_code == 200

    def test_is_to_be_proved_before_anything_is_done_in_its_name(self, office, caller_for):
        lead, customer = make_lead(), make_tenant(lead=make_lead(email="former@acme.example")).lead
        self.changed(office, lead)
        assert not lead.is_validated
        body = {"key": "acme", "domains": ["acme.example"]}
        assert caller_for(lead).post(f"/leads/{lead.id}/tenants", body).status_code == 401
        self.changed(office, customer)
        assert (customer.is_validated, Tenant.objects.filter(lead=customer).exists()) == (False, True)

    def test_stays_proved_where_something_else_is_changed(self, office):
        lead = make_lead()
        office.post(change(lead), {**form_of(lead), "first_name": "Grace"})
        lead.refresh_from_db()
        assert (lead.first_name, lead.is_validated) == ("Grace", True)

    @pytest.mark.parametrize("former", ["Ada@acme.example", "ada@müller.example"])
    def test_stays_proved_where_it_is_only_written_otherwise(self, office, former):
        lead = make_lead(email=former)
        office.post(change(lead), {**form_of(lead), "email": former.lower()})
        lead.refresh_from_db()
        assert (lead.email, lead.is_validated) == (ascii_address(former.lower()), True)


class TestJSON:
    @pytest.mark.parametrize(
        "typed",
        [
            "{", "NaN", '{"a": NaN}', '{"a": 1e999}', '{"a": "\\u0000"}', '{"\\ud800": 1}', "[" * 100 + "]" * 100,
            '{"a":' * 5000 + "1" + "}" * 5000, "9" * 5000,
        ],
        ids=range(9),
    )  # fmt: skip
    def test_that_the_api_would_refuse_is_refused_and_shown_as_it_was_typed(self, office, typed):
        tenant = make_tenant()
        for obj, name in ((make_config(tenant), "config_value"), (make_resource(tenant), "metadata")):
            page = office.post(change(obj), {**form_of(obj), name: typed})
            assert page.status_code == 200
            assert name in page.context["adminform"].form.errors
            assert escape(typed) in page.content.decode()

    @pytest.mark.parametrize("typed", ['"text"', "[1]", "5", "true"])
    def test_of_a_configuration_is_an_object(self, office, typed):
        config = make_config()
        page = office.post(change(config), {**form_of(config), "config_value": typed})
        assert page.context["adminform"].form.errors == {"config_value": ["Not an object."]}

    def test_is_kept_as_it_is_typed_and_what_stays_the_same_is_no_change(self, office):
        resource = make_resource(make_tenant())
        for typed, kept in (('"text"', "text"), ("[1, {}]", [1, {}]), ('{"ż": 1.5}', {"ż": 1.5})):
            assert office.post(change(resource), {**form_of(resource), "metadata": typed}).status_code == 302
            resource.refresh_from_db()
            assert resource.metadata == kept
        office.post(change(resource), {**form_of(resource), "metadata": '{ "ż": 1.50 }'})
        assert LogEntry.objects.latest("id").changes == {}

    @pytest.mark.parametrize("typed", ["", "null"])
    def test_that_is_emptied_is_what_it_begins_with(self, office, typed):
        plan = {
            "name": "Standard", "tier": "BASIC", "currency_code": "EUR", "billing_cycle": "MONTHLY", "trial_days": "0",
            "price": "1.00", "features": typed, "size_config": typed,
        }  # fmt: skip
        kept, tenant = make_plan(features=["a"]), make_tenant()
        shown = {"initial-features": '["a"]', "initial-size_config": "{}"}
        for page, fields in (
            (reverse("admin:billing_plan_add"), plan),
            (change(kept), {**plan, **shown}),
            (reverse("admin:tenants_branding_add"), {"tenant": str(tenant.id), "theme_metadata": typed}),
            (reverse("admin:tenants_resource_add"), {"tenant": str(tenant.id), "type": "s3", "metadata": typed}),
        ):
            assert office.post(page, fields).status_code == 302, page
        assert list(Plan.objects.values_list("features", "size_config")) == [([], {})] * 2
        assert (Branding.objects.get().theme_metadata, Resource.objects.get().metadata) == ({}, {})
        page = office.post(change(make_config(tenant)), {"config_key": "a", "config_value": typed, "tenant": tenant.id})
        assert "config_value" in page.context["adminform"].form.errors


def test_a_plans_price_stands_in_its_form_with_the_decimals_of_its_currency(office):
    for currency, price in (("EUR", "19.50"), ("JPY", "20"), ("KWD", "19.500")):
        page = office.get(change(make_plan(price=Decimal(price), currency_code=currency)))
        assert f'name="price" value="{price}"' in page.content.decode()
    assert office.get(reverse("admin:billing_plan_add"), {"price": "x"}).status_code == 200


def test_a_plan_has_no_price_that_cannot_be_paid(office):
    plan = {
        "name": "Standard", "tier": "BASIC", "currency_code": "EUR", "billing_cycle": "MONTHLY", "trial_days": "0",
        "features": "[]", "size_config": "{}",
    }  # fmt: skip
    for price, currency, at_fault in (("1.005", "EUR", "price"), ("", "EUR", "price"), ("1", "XXY", "currency_code")):
        refused = office.post(reverse("admin:billing_plan_add"), {**plan, "price": price, "currency_code": currency})
        assert list(refused.context["adminform"].form.errors) == [at_fault]
    assert office.post(reverse("admin:billing_plan_add"), {**plan, "price": "1.05"}).status_code == 302
    assert str(Plan.objects.get().price) == "1.050"


def test_domains_are_written_with_commas_and_refused_where_they_are_none(office):
    tenant = make_tenant(domains=["acme.example", "acme.org"])
    assert 'value="acme.example, acme.org"' in office.get(change(tenant)).content.decode()
    refused = office.post(change(tenant), {**form_of(tenant), "domains": "no host"})
    assert refused.status_code == 200
    assert "no host" in refused.content.decode()
    assert office.post(change(tenant), {**form_of(tenant), "domains": "ACME.test, Müller.test"}).status_code == 302
    tenant.refresh_from_db()
    assert tenant.domains == ["acme.test", "xn--mller-kva.test"]


def test_mail_addresses_are_refused_and_kept_as_by_the_api(office):
    for obj in (make_contact(), make_lead(), make_user()):
        refused = office.post(change(obj), {**form_of(obj), "email": "ada@[127.0.0.1]"})
        assert "Enter a valid email address." in refused.content.decode()
        assert office.post(change(obj), {**form_of(obj), "email": "ada@müller.test"}).status_code == 302
        obj.refresh_from_db()
        assert obj.email == "ada@xn--mller-kva.test"


def test_an_address_without_a_scheme_is_meant_to_be_https(office):
    fields = {"tenant": str(make_tenant().id), "theme_metadata": "{}", "website": "acme.example"}
    assert office.post(reverse("admin:tenants_branding_add"), fields).status_code == 302
    assert Branding.objects.get().website == "https://acme.example"


def test_the_language_of_a_lead_is_one_of_ours(office):
    lead = make_lead(language="de")
    assert '<option value="de" selected>Deutsch</option>' in office.get(change(lead)).content.decode()
    refused = office.post(change(lead), {**form_of(lead), "language": "Deutsch"})
    assert list(refused.context["adminform"].form.errors) == ["language"]
    for typed in ("en", ""):
        assert office.post(change(lead), {**form_of(lead), "language": typed}).status_code == 302
        assert Lead.objects.get().language == typed


class TestWhatNoPageSends:
    @pytest.mark.parametrize("chosen", ["x", "\0", "9" * 30])
    def test_as_what_is_chosen_in_a_list_is_a_malformed_request(self, office, chosen):
        make_run()
        for model, action in (
            (Tenant, "delete_selected"), (Tenant, "restore_selected"), (User, "delete_selected"),
            (Delivery, "replay_selected"),
        ):  # fmt: skip
            answer = office.post(changelist(model), {"action": action, "_selected_action": [chosen]})
            assert answer.status_code == 400, (model, action)

    @pytest.mark.parametrize("chosen", ["x", "\0", "9" * 40, "00000000-0000-4000-8000-000000000000"])
    def test_as_what_a_row_belongs_to_is_refused_at_the_form(self, office, chosen):
        page = office.post(change(make_user()), {"username": "ada", "groups": [chosen]})
        assert "groups" in page.context["adminform"].form.errors
        for obj, name in ((make_tenant(), "lead"), (make_contact(), "tenant")):
            page = office.post(change(obj), {**form_of(obj), name: chosen})
            assert page.status_code == 200
            assert list(page.context["adminform"].form.errors) == [name]

    @pytest.mark.parametrize("sent", ["x", "%00", "%C2%B2", "9" * 5000], ids=range(4))
    def test_in_an_address_is_no_defect_of_ours(self, office, sent):
        tenant, invoice = make_tenant(), make_invoice()
        for model in (Group, User, Address, Contact, Resource, TenantConfig, Branding, Plan, BillingCustomer):
            asked = "&".join(f"{field.name}={sent}" for field in model._meta.get_fields())
            address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")
            assert office.get(f"{address}?{asked}").status_code == 200, model
        for obj, parts in ((tenant, ("contacts", "resources", "invoices")), (invoice, ("payments", "credit_notes"))):
            asked = "&".join(f"{part}-page={sent}" for part in parts)
            assert office.get(f"{change(obj)}?{asked}").status_code == 200
        kind = ContentType.objects.get_for_model(Tenant).pk
        for seen_on in (f"{kind}/{sent}", f"{sent}/{tenant.id}", f"{kind}/{tenant.id}"):
            assert office.get(f"/admin/r/{seen_on}/").status_code == 404

    @pytest.mark.parametrize("sent", ["x", "9" * 40])
    def test_as_what_the_audit_log_is_narrowed_to_is_refused(self, office, sent):
        answer = office.get(changelist(LogEntry), {"content_type": sent})
        assert (answer.status_code, answer.headers["Location"]) == (302, f"{changelist(LogEntry)}?e=1")

    def test_as_the_page_of_parts_that_there_is_not_is_the_last(self, office):
        tenant = make_tenant()
        for number in range(21):
            make_contact(tenant, email=f"{number}@acme.example")
        for asked, shown in (("2", "20@"), ("3", "20@"), ("x", "0@")):
            assert f">{shown}acme.example" in office.get(f"{change(tenant)}?contacts-page={asked}").content.decode()


def test_the_audit_log_says_what_changed_as_people_read_it(office):
    tenant, gone = make_tenant(status=TenantStatus.ACTIVE, domains=["acme.example"]), make_plan(deleted=True)
    invoice, plan = make_invoice(tenant), make_plan(price=Decimal("1049.5"), currency_code="EUR")
    deletion = {"deleted_on": datetime(2026, 2, 28, 12, tzinfo=UTC), "deleted_by": make_user(username="ada").pk}
    Plan.everything.filter(pk=gone.pk).update(**deletion)
    office.post(reverse("admin:tenants_tenant_suspend", args=[tenant.pk]), {"confirm": "yes"})
    office.post(reverse("admin:billing_invoice_credit", args=[invoice.pk]), {"amount": "10", "seen": "0"})
    tenant.refresh_from_db()
    fields = {"domains": "a.example, b.example", "lead": str(make_lead(email="ada@acme.example").pk)}
    office.post(change(tenant), {**form_of(tenant), **fields})
    fields = {"name": "Standard", "tier": "PREMIUM", "price": "7.5", "billing_cycle": "YEARLY", "currency_code": "USD"}
    office.post(change(plan), {**fields, "trial_days": "0", "features": "[]", "size_config": "{}", "is_active": "on"})
    office.post(changelist(Plan, "?deleted=yes"), {"action": "restore_selected", "_selected_action": [gone.pk]})
    lead = "Ada Lovelace &lt;ada@acme.example&gt;"
    for language, rows in {
        "en": [
            ("Status", "ACTIVE", "INACTIVE"), ("Credited", "0.00 EUR", "10.00 EUR"), ("Lead", "", lead),
            ("Domains", "acme.example", "a.example, b.example"), ("Tier", "STANDARD", "PREMIUM"),
            ("Price", "1,049.50 EUR", "7.50 USD"), ("Currency", "EUR", "USD"), ("Billing cycle", "MONTHLY", "YEARLY"),
            ("Self-service", "yes", "no"), ("Deleted", "yes", "no"), ("Deleted on", "2026-02-28 12:00:00", ""),
            ("Deleted by", "ada", ""),
        ],
        "de": [
            ("Status", "ACTIVE", "INACTIVE"), ("Gutgeschrieben", "0,00 EUR", "10,00 EUR"), ("Interessent", "", lead),
            ("Domänen", "acme.example", "a.example, b.example"), ("Stufe", "STANDARD", "PREMIUM"),
            ("Preis", "1.049,50 EUR", "7,50 USD"), ("Währung", "EUR", "USD"),
            ("Abrechnungszeitraum", "MONTHLY", "YEARLY"), ("Selbstbedienung", "Ja", "Nein"),
            ("Gelöscht", "Ja", "Nein"), ("Gelöscht am", "28.02.2026 12:00:00", ""),
            ("Gelöscht von", "ada", ""),
        ],
    }.items():  # fmt: skip
        pages = [
            office.get(change(entry), headers={"Accept-Language": language}).content.decode()
            for entry in LogEntry.objects.order_by("id")
        ]
        assert sorted(
            re.findall(r"<tr><td>([^<]*)</td><td>([^<]*)</td><td>([^<]*)</td></tr>", "".join(pages))
        ) == sorted(rows)


def test_the_audit_log_shows_what_was_written_of_a_field_that_has_become_another(office):
    tenant = make_tenant()
    changes = {
        "lead": ["", "x"],
        "domains": ["", "{"],
        "deleted_on": ["", "soon"],
        "spoc_user_id": ["", "me"],
        "former": ["", "y"],
    }
    LogEntry.objects.log_create(tenant, force_log=True, action=LogEntry.Action.UPDATE, changes=changes)
    said = office.get(change(LogEntry.objects.get())).content.decode()
    assert set(re.findall(r"<td></td><td>([^<]*)</td>", said)) == {"x", "y", "{", "soon", "me"}
