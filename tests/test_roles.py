"""Who may do what in the back-office: every action for every role, as button and as address."""

import re
from decimal import Decimal
from html import unescape

import pytest
from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.db import transaction
from django.urls import reverse

from billing import settlement
from billing.documents import file_of
from billing.models import BillingCustomer, InvoiceStatus
from config.models import AuditedModel
from identity.models import User
from identity.permissions import codes_of
from identity.roles import ADMINISTRATOR, BILLING, CODES, OPERATOR, SUPPORT, make_roles
from leads.models import Lead
from provisioning.models import Delivery, IdentitySetup
from tenants.models import Branding, Tenant, TenantStatus
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
from webhooks.models import ReceivedCall, RefusedCall

pytestmark = pytest.mark.django_db

OPERATORS, BILLERS, ALL = {ADMINISTRATOR, OPERATOR}, {ADMINISTRATOR, BILLING}, set(CODES)
MAY = {
    ("tenant", "provision"): OPERATORS,
    ("tenant", "retry"): OPERATORS,
    ("tenant", "suspend"): OPERATORS,
    ("tenant", "resume"): OPERATORS,
    ("tenant", "set_up_identity"): OPERATORS,
    ("tenant", "call_off"): OPERATORS,
    ("tenant", "restore"): OPERATORS,
    ("tenant", "rotate_secret"): OPERATORS,
    ("tenant", "export"): OPERATORS,
    ("tenant", "deprovision"): OPERATORS,
    ("tenant", "new_tenant"): OPERATORS,
    ("lead", "resend_mail"): OPERATORS,
    ("lead", "onboard"): OPERATORS,
    ("lead", "restore"): OPERATORS,
    ("address", "restore"): {ADMINISTRATOR},
    ("contact", "restore"): OPERATORS,
    ("resource", "restore"): {ADMINISTRATOR},
    ("tenantconfig", "restore"): OPERATORS,
    ("branding", "restore"): {ADMINISTRATOR},
    ("plan", "restore"): BILLERS,
    ("billingcustomer", "restore"): BILLERS,
    ("subscription", "change_plan"): BILLERS,
    ("subscription", "end_with_period"): BILLERS,
    ("subscription", "go_on"): BILLERS,
    ("invoice", "issue"): BILLERS,
    ("invoice", "record_payment"): BILLERS,
    ("invoice", "credit"): BILLERS,
    ("invoice", "download"): ALL,
    ("invoice", "mail_again"): BILLERS,
    ("creditnote", "download"): ALL,
    ("delivery", "replay"): OPERATORS,
    ("delivery", "cancel"): OPERATORS,
}


BY_HAND = {
    "user": {ADMINISTRATOR}, "group": {ADMINISTRATOR}, "address": {ADMINISTRATOR}, "resource": {ADMINISTRATOR},
    "branding": {ADMINISTRATOR}, "lead": OPERATORS, "tenant": OPERATORS, "contact": OPERATORS,
    "tenantconfig": OPERATORS, "plan": BILLERS, "billingcustomer": BILLERS,
}  # fmt: skip
for model, roles in BY_HAND.items():
    MAY |= {(model, verb): roles for verb in ("change", "delete", "delete_selected")}
    if model not in ("lead", "tenant"):  # which are made by the sign-up, and by an operation
        MAY[model, "add"] = roles
    if model not in ("user", "group"):
        MAY[model, "restore_selected"] = roles
    if model in ("tenant", "contact", "plan"):
        MAY |= {(model, "import"): roles, (model, "process_import"): roles}
MAY |= {
    (name, "export_list"): ALL for name in ("lead", "tenant", "contact", "plan", "subscription", "invoice", "payment")
}
MAY |= {("delivery", name): OPERATORS for name in ("replay_selected", "cancel_selected")}
MAY["user", "auth_user_password_change"] = {ADMINISTRATOR}
"""Who may do it, of all that the pages of the back-office can; what is not in it, nobody may."""
ON_THE_PAGE = {"change": 'name="_save"', "auth_user_password_change": "../password/"}
"""What a page has for an action, where it is not the action's address."""


def stock() -> None:
    """Of every model that has a page some rows, in such states that each action makes sense of one of them."""
    for deleted in (False, True):
        tenant = make_tenant(deleted=deleted)
        make_lead(deleted=deleted), make_address(deleted=deleted), make_plan(deleted=deleted)
        for make in (make_contact, make_resource, make_config, Branding.objects.create, BillingCustomer.objects.create):
            make(tenant=tenant, deleted=deleted)
    for status in TenantStatus.values:
        make_tenant(status=status)
    tenant = Tenant.objects.get(status=TenantStatus.ACTIVE)
    make_key(Lead.objects.first())
    make_subscription(tenant), make_subscription(cancel_at_period_end=True)
    make_invoice(tenant, status=InvoiceStatus.DRAFT)
    invoice = make_invoice(tenant)
    make_payment(invoice, amount=Decimal(1))
    note = settlement.record_credit(invoice.id, amount=Decimal(1), reason="", actor=None)
    file_of(invoice), file_of(note)  # which are kept, and not made by who looks at them
    run = make_run()
    Delivery.objects.filter(id=Delivery.objects.first().id).update(state=Delivery.State.DEAD)
    IdentitySetup.objects.create(tenant=tenant, provider="memory", tier="BASIC")
    ReceivedCall.objects.create(run=run, path="/webhook", body_hash="x", body={})
    RefusedCall.objects.create(tenant=tenant, reason="x", minute=run.created_on)
    LogEntry.objects.log_create(tenant, force_log=True, changes={}, action=LogEntry.Action.UPDATE)
    make_user()


def actions_of(model, page) -> dict[str, tuple[str, bool]]:
    """The addresses of a page but for the looking: by action the name, and whether it is about an object."""
    prefix = f"{model._meta.app_label}_{model._meta.model_name}_"
    found = {}
    for url in page.get_urls():
        action = (url.name or "history").removeprefix(prefix)
        if action not in ("changelist", "history"):
            alone = not url.pattern.converters
            found["export_list" if action == "export" and alone else action] = f"admin:{url.name}", not alone
    return found


def rows_of(model) -> list[tuple]:
    return list(model._base_manager.order_by("pk").values_list())


PAGES = {model._meta.model_name: (model, page) for model, page in admin.site._registry.items()}


def test_every_action_of_the_table_is_one_of_a_page():
    found = set()
    for name, (model, page) in PAGES.items():
        assert not [*page.actions_row, *page.actions_submit_line], "are not tested here"
        found |= {(name, action) for action in actions_of(model, page)}
        found |= {(name, action) for _, action, _ in page._get_base_actions()}
    assert not MAY.keys() - found


@pytest.mark.parametrize("role", CODES)
def test_an_action_has_button_and_address_for_who_may_do_it_and_for_nobody_else(as_role, role):
    office = as_role(role)
    stock()
    for name, (model, page) in PAGES.items():
        rows = list(model._base_manager.all())
        assert rows, f"There is no {name} to try it on."
        prefix = f"admin:{model._meta.app_label}_{name}"
        shown = [reverse(f"{prefix}_changelist"), *(reverse(f"{prefix}_change", args=[row.pk]) for row in rows)]
        said = "".join(office.get(each).content.decode() for each in shown)
        before = rows_of(model)
        for action, (url, about_one) in actions_of(model, page).items():
            may = role in MAY.get((name, action), ())
            addresses = [reverse(url, args=[row.pk]) for row in rows] if about_one else [reverse(url)]
            marks = [ON_THE_PAGE[action]] if action in ON_THE_PAGE else [f'"{each}' for each in addresses]
            buttons = [address for address, mark in zip(addresses, marks, strict=False) if mark in said]
            assert bool(buttons) == (may and action != "process_import"), (name, action)
            if may:
                assert not [each for each in buttons[:1] if office.get(each).status_code == 403], (name, action)
                continue
            for each in addresses[:2]:  # of one that is there, and of one that is deleted
                assert office.post(each, {"confirm": "yes", "post": "yes"}).status_code == 403, each
            if action not in ("change", "process_import"):  # of which one is for looking too, one never
                assert office.get(each).status_code == 403, each
        assert rows_of(model) == before, name


@pytest.mark.parametrize("role", CODES)
def test_an_action_on_many_is_offered_to_who_may_do_it_and_changes_nothing_for_anybody_else(as_role, role):
    office = as_role(role)
    stock()
    for name, (model, page) in PAGES.items():
        address = reverse(f"admin:{model._meta.app_label}_{name}_changelist")
        address += "?deleted=all" if issubclass(model, AuditedModel) else ""
        said, before = office.get(address).content.decode(), rows_of(model)
        chosen = [row.pk for row in model._base_manager.all()]
        for _, action, _ in page._get_base_actions():
            may = role in MAY.get((name, action), ())
            assert (f'value="{action}"' in said) == may, (name, action)
            with transaction.atomic():
                office.post(address, {"action": action, "_selected_action": chosen, "confirm": "yes", "post": "yes"})
                assert (rows_of(model) != before) == may, (name, action)
                transaction.set_rollback(True)


@pytest.mark.parametrize("role", CODES)
def test_a_role_gives_the_codes_of_the_api_that_it_names(as_role, role):
    as_role(role)
    held = set(codes_of(User.objects.get()))
    assert held >= CODES[role]
    assert held - CODES[role] <= {"10203", "10207", "10211", "10215", "10221", "7004", "7008", "5324", "5325", "5326"}


def test_support_looks_at_everything_and_changes_nothing(as_role):
    office = as_role(SUPPORT)
    contact = make_contact()
    address = reverse("admin:tenants_contact_change", args=[contact.id])
    assert office.get(address).status_code == 200
    assert office.post(address, {"first_name": "Eve"}).status_code == 403
    assert office.post(reverse("admin:tenants_contact_delete", args=[contact.id]), {"post": "yes"}).status_code == 403
    assert office.get(reverse("admin:billing_plan_add")).status_code == 403
    chosen = {"action": "restore_selected", "_selected_action": [str(make_tenant(deleted=True).id)]}
    office.post(reverse("admin:tenants_tenant_changelist") + "?deleted=yes", chosen)
    make_run()
    Delivery.objects.update(state=Delivery.State.DEAD)
    chosen = {"action": "replay_selected", "confirm": "yes", "_selected_action": [Delivery.objects.first().id]}
    office.post(reverse("admin:provisioning_delivery_changelist"), chosen)
    assert not Delivery.objects.exclude(state=Delivery.State.DEAD).exists()
    refusal = office.get(reverse("admin:identity_user_changelist"), headers={"Accept": "text/html"})
    assert refusal.status_code == 403
    assert "Ask an administrator" in refusal.content.decode()


def test_support_sees_a_plans_price_as_lists_show_it(as_role):
    office, plan = as_role(SUPPORT), make_plan(price=Decimal("1234.5"))
    page = office.get(reverse("admin:billing_plan_change", args=[plan.id]), headers={"Accept-Language": "de"})
    assert re.search(r">\s*1\.234,50 EUR\s*<", page.content.decode())
    assert "1234,5" not in page.content.decode()


def test_who_only_looks_is_shown_words_and_no_json(as_role):
    tenant = make_tenant(domains=["acme.example", "acme.org"])
    gone = make_tenant(domains=["gone.example"], deleted=True)
    plan = make_plan(features=["10 users", {"sso": True}], size_config={"cpu": 2, "disk": "10 GB"})
    empty = make_plan(features=[], size_config={})
    office = as_role(SUPPORT)

    def said(obj) -> str:
        page = reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])
        return unescape(office.get(page).content.decode())

    assert "acme.example, acme.org" in said(tenant)
    assert re.search(r">\s*gone.example\s*<", said(gone))
    for line in ("10 users", '{"sso": true}', "cpu: 2", "disk: 10 GB"):
        assert f"<li>{line}</li>" in said(plan)
    assert said(empty).count("<ul><li>–</li></ul>") == 2


def test_billing_changes_plans_and_no_tenant(as_role):
    office = as_role(BILLING)
    plan = make_plan()
    assert b"_save" in office.get(reverse("admin:billing_plan_change", args=[plan.id])).content
    tenant = make_tenant(name="Before")
    office.post(reverse("admin:tenants_tenant_change", args=[tenant.id]), {"name": "After"})
    tenant.refresh_from_db()
    assert tenant.name == "Before"


def test_an_administrator_makes_no_superuser_and_touches_none(as_role):
    office = as_role(ADMINISTRATOR)
    boss, other = make_user(is_superuser=True, is_staff=True), make_user(is_staff=True)
    assert office.post(reverse("admin:identity_user_change", args=[boss.id]), {"username": "x"}).status_code == 403
    assert office.post(reverse("admin:auth_user_password_change", args=[boss.id]), {}).status_code == 403
    fields = {"username": other.username, "is_superuser": "on", "is_active": "on", "is_staff": "on"}
    fields |= {"date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert office.post(reverse("admin:identity_user_change", args=[other.id]), fields).status_code == 302
    other.refresh_from_db()
    assert not other.is_superuser


def test_staff_are_made_by_command(capsys, monkeypatch):
    make_roles(Group, Permission)
    call_command("create_staff", "ada", role=OPERATOR)
    password = capsys.readouterr().out.split("Password: ")[1].strip()
    assert User.objects.get().check_password(password)
    assert User.objects.get().groups.get().name == OPERATOR
    with pytest.raises(CommandError, match="already"):
        call_command("create_staff", "ada", role=OPERATOR)
    monkeypatch.setenv("STAFF_PASSWORD", "short")
    with pytest.raises(CommandError, match="too short"):
        call_command("create_staff", "eve", role=SUPPORT)
    assert User.objects.count() == 1


def test_the_password_that_is_made_up_is_as_long_as_they_have_to_be(capsys, settings):
    make_roles(Group, Permission)
    settings.STAFF_PASSWORD_LENGTH = 24
    length = {**settings.AUTH_PASSWORD_VALIDATORS[0], "OPTIONS": {"min_length": 24}}
    settings.AUTH_PASSWORD_VALIDATORS = [length, *settings.AUTH_PASSWORD_VALIDATORS[1:]]
    call_command("create_staff", "ada", role=OPERATOR)
    assert len(capsys.readouterr().out.split("Password: ")[1].strip()) >= 24
