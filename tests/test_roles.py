"""Who may do what in the back-office: every operation for every role, as button and as address."""

import re
from decimal import Decimal

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import CommandError, call_command
from django.urls import reverse

from billing.models import InvoiceStatus
from identity.models import User
from identity.permissions import codes_of
from identity.roles import ADMINISTRATOR, BILLING, CODES, OPERATOR, SUPPORT, make_roles
from provisioning.models import Delivery, ProvisioningRun
from tenants.models import TenantStatus
from tests.make import make_contact, make_invoice, make_lead, make_plan, make_run, make_tenant, make_user

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
    ("invoice", "issue"): BILLERS,
    ("invoice", "record_payment"): BILLERS,
    ("invoice", "credit"): BILLERS,
    ("invoice", "download"): ALL,
    ("invoice", "mail_again"): BILLERS,
    ("delivery", "replay"): OPERATORS,
    ("delivery", "cancel"): OPERATORS,
}


def names(actions) -> list[str]:
    return [name for each in actions for name in (each["items"] if isinstance(each, dict) else [each])]


def objects_of(model: str) -> list:
    """Objects in such states that each operation makes sense of one of them."""
    if model == "tenant":
        failed = make_run()
        failed.close(ProvisioningRun.State.FAILED)
        tenants = [make_tenant(status=status) for status in TenantStatus.values]
        return [*tenants, make_tenant(deleted=True)]
    if model == "lead":
        return [make_lead()]
    if model == "invoice":
        return [make_invoice(), make_invoice(status=InvoiceStatus.DRAFT)]
    make_run()
    pending = Delivery.objects.first()
    return [pending, Delivery.objects.create(event=pending.event, subject=pending.subject, destination="x", state=2)]


def test_every_operation_is_in_the_table():
    found = {
        (model._meta.model_name, name)
        for model, page in admin.site._registry.items()
        for name in (*names(page.actions_detail), *names(page.actions_list))
    }
    assert found == set(MAY)


@pytest.mark.parametrize("role", CODES)
def test_an_operation_has_button_and_address_for_who_may_do_it_and_for_nobody_else(as_role, role):
    office = as_role(role)
    for model in dict.fromkeys(model for model, _ in MAY):
        (page,) = [each for kind, each in admin.site._registry.items() if kind._meta.model_name == model]
        prefix = f"admin:{page.opts.app_label}_{model}"
        found = objects_of(model)
        pages = {each: office.get(reverse(f"{prefix}_change", args=[each.pk])).content.decode() for each in found}
        for (_, name), roles in [entry for entry in MAY.items() if entry[0][0] == model]:
            if name == "new_tenant":
                address = reverse(f"{prefix}_{name}")
                assert (address in office.get(reverse(f"{prefix}_changelist")).content.decode()) == (role in roles)
                assert (office.get(address).status_code == 403) == (role not in roles)
                assert (office.post(address, {}).status_code == 403) == (role not in roles)
                continue
            buttons = [each for each in found if reverse(f"{prefix}_{name}", args=[each.pk]) in pages[each]]
            assert bool(buttons) == (role in roles), (role, name)
            for each in found:
                address = reverse(f"{prefix}_{name}", args=[each.pk])
                assert (office.get(address).status_code == 403) == (role not in roles), (role, name)
                if role not in roles:
                    assert office.post(address, {"confirm": "yes"}).status_code == 403


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
    chosen = {"action": "replay_selected", "_selected_action": [Delivery.objects.first().id]}
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
