"""The back-office in German: every label that staff read has its translation, and nothing of it is on the wire."""

import ast
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import polib
import pytest
from auditlog.models import LogEntry
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, label_for_field
from django.contrib.auth.models import Group
from django.contrib.staticfiles import finders
from django.test import RequestFactory
from django.urls import reverse
from django.utils import translation

from identity.admin import UNNAMED
from identity.models import User
from identity.operations import OperatingAdmin
from provisioning.models import Delivery
from tests.make import SUBSCRIPTION, make_config, make_contact, make_invoice, make_lead, make_tenant, make_user
from tests.test_house import ROOMS, ROOT
from tests.test_office import change, changelist
from tests.test_office_forms import form_of

pytestmark = pytest.mark.django_db
GERMAN = {"Accept-Language": "de"}
ALIKE = {"id", "name", "status", "logo", "website", "minute"}
"""What is the same word in both languages."""
REFUSALS = {"AuthenticationFailed", "BadRequest", "Conflict", "ErrorDetail", "ParseError", "ValidationError"}
ONLY_THE_API = re.compile(
    r"^webhooks/|/migrations/|/(views|gateways|challenges|providers)\b"
    r"|^config/(api|conditions|errors|filters|serializers)|^identity/idempotency|^leads/(abuse|serializers|verification)"
    r"|^tenants/(keys|serializers)|^billing/serializers/(invoices|subscriptions)|^provisioning/serializers"
)
"""Modules whose refusals no page of the back-office shows."""


def request():
    made = RequestFactory().get("/admin/")
    made.user = make_user(is_staff=True, is_superuser=True)
    return made


def labels(page: admin.ModelAdmin, request) -> Iterator[tuple[str, str]]:
    """(where, label) of what the list and the page of an object say, in the language of now."""
    opts, kept = page.opts, page.model(**({"deleted": True} if hasattr(page.model, "deleted") else {}))
    yield "model", str(opts.verbose_name)
    yield "models", str(opts.verbose_name_plural)
    yield "app", str(opts.app_config.verbose_name)
    for title, _ in page.get_fieldsets(request, kept):
        if title:
            yield "tab", str(title)
    for part in (page, *(inline(page.model, page.admin_site) for inline in page.inlines)):
        names = {*flatten_fieldsets(part.get_fieldsets(request, kept))} - {"seen"}  # which is hidden
        if part is page:
            names |= {*page.get_list_display(request)} - {"__str__"}
        else:
            yield "part", str(part.opts.verbose_name_plural)
        for name in names:
            yield f"field {name}", str(label_for_field(name, part.model, part))
        for field in part.opts.concrete_fields:
            if field.name in names:
                yield f"help of {field.name}", str(field.help_text)
                for value, label in field.flatchoices:
                    yield f"{field.name} {value}", str(label)
    for spec in page.get_changelist_instance(request).filter_specs:
        yield "filter", str(spec.title)
    for name, action in page.get_actions(request).items():
        yield f"action {name}", str(action[2])
    if isinstance(page, OperatingAdmin):
        for button in (*page._get_base_actions_detail(), *page._get_base_actions_list()):
            yield f"button {button.action_name}", str(button.description)


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_every_label_is_translated(model):
    page, asking = admin.site.get_model_admin(model), request()
    said = {}
    for language in ("en", "de"):
        with translation.override(language):
            said[language] = sorted(set(labels(page, asking)), key=lambda each: each[0])
    english = {label for _, label in said["en"]}
    assert english
    left = [(where, label) for where, label in said["de"] if label in english and is_prose(label)]
    assert not left


def is_prose(label: str) -> bool:
    """Whether a label has to differ: neither names of the API (ACTIVE) do, nor words that both languages have."""
    return bool(label) and not label.isupper() and label.lower() not in ALIKE


def test_what_libraries_call_otherwise_is_called_as_we_do_in_both_languages(office):
    named = {
        changelist(Group): ("Staff", "Roles", "Personal", "Rollen"),
        change(make_user()): ("Staff", "Roles", "Personal", "Rollen"),
        changelist(LogEntry): ("Audit log", "Entries", "Protokoll", "Protokolleinträge"),
    }
    for page, (app, models, german_app, german_models) in named.items():
        english, german = office.get(page).content.decode(), office.get(page, headers=GERMAN).content.decode()
        assert not [word for word in (app, models) if not re.search(rf">\s*{word}\s*<", english)], page
        assert not [word for word in (german_app, german_models) if not re.search(rf">\s*{word}\s*<", german)], page
        assert not [word for word in ("Authentication and", "Groups", "Log entries", " By created") if word in english]
    english, german = (polib.pofile(ROOT / "locale" / each / "LC_MESSAGES" / "django.po") for each in ("en", "de"))
    assert {entry.msgid for entry in english} <= {entry.msgid for entry in german}
    compiled = polib.mofile(ROOT / "locale" / "en" / "LC_MESSAGES" / "django.mo")
    assert {entry.msgid: entry.msgstr for entry in english} == {entry.msgid: entry.msgstr for entry in compiled}


def test_every_field_that_a_model_of_ours_shows_is_named_by_hand():
    """A name made of the field's own is in no catalogue."""
    pages = [page for model, page in admin.site._registry.items() if model._meta.app_label in ROOMS]
    for page in pages:
        with translation.override("de"):
            named = {field.name: str(field.verbose_name) for field in page.opts.concrete_fields}
        bare = [name for name, label in named.items() if "_" in name and label == name.replace("_", " ")]
        assert not bare, page.opts.label


def test_pages_speak_german_to_who_asks_for_it(office, staff):
    tenant = make_tenant(lead=make_lead())
    make_contact(tenant)
    staff.post(f"/tenants/{tenant.id}/provision", SUBSCRIPTION)
    delivery = Delivery.objects.first()
    for page, words in {
        changelist(type(tenant)): ["Mandanten", "Schlüssel", "Hauptkontakt", "Letztes Ereignis"],
        change(tenant): [
            "Benutzer-ID des Ansprechpartners",
            "Domänen",
            "Angelegt von",
            "angefordert",
            "Bereitstellung",
        ],
        change(make_invoice(tenant)): ["Erinnerungen verschickt", "Rechnungsempfänger"],
        change(delivery): ["Ereignis an „", "Letzter Fehler", "Zustellungen"],
    }.items():
        said = office.get(page, headers=GERMAN).content.decode()
        assert not [word for word in words if word not in said], page
    story = staff.get(f"/tenants/{tenant.id}/timeline").json()
    assert ("run", "provision", "requested") in [(each["kind"], each["name"], each["outcome"]) for each in story]


def test_what_a_library_says_about_a_thing_is_german_whatever_the_things_gender(office):
    contact = make_contact()
    chosen = {"action": "delete_selected", "_selected_action": [str(make_user().pk)]}
    pages = {
        "Kontakt löschen": office.get(change(contact), headers=GERMAN),
        'title="Mandant ändern"': office.get(change(contact), headers=GERMAN),
        "Soll die Auswahl (Benutzer) gelöscht werden?": office.post(changelist(User), chosen, headers=GERMAN),
        "Anmeldung mit Passwort": office.get(reverse("admin:identity_user_add"), headers=GERMAN),
    }
    assert not [words for words, page in pages.items() if words not in page.content.decode()]


def test_the_audit_log_names_fields_and_operations_in_german(office):
    contact = make_contact(first_name="Ada")
    form = {
        "first_name": "Bea", "last_name": contact.last_name, "email": contact.email, "contact_type": "",
        "tenant": contact.tenant_id,
    }  # fmt: skip
    assert office.post(change(contact), form).status_code == 302
    listed = office.get("/admin/auditlog/logentry/", headers=GERMAN).content.decode()
    assert not [word for word in ("Ändern", "Vorname", "Protokolleinträge") if word not in listed]
    entry = apps.get_model("auditlog.LogEntry").objects.get()
    shown = office.get(change(entry), headers=GERMAN).content.decode()
    assert not [word for word in ("Vorher", "Vorname", "Ada", "Bea") if word not in shown]


def test_permissions_and_the_script_that_gives_them_are_german(office):
    role = Group.objects.create(name="Buchhaltung")
    for page in (change(role), change(make_user())):
        said = office.get(page, headers=GERMAN).content.decode()
        assert "Kunden | Mandant | Bereitstellen" in said
        assert "Can " not in said
    texts = office.get(reverse("admin:jsi18n"), headers=GERMAN).content.decode()
    assert not [text for text in ("Alle %s auswählen", "Verfügbare %s") if json.dumps(text) not in texts]
    chosen = re.findall(r"gettext\(['\"](.*?)['\"]\)", Path(finders.find("admin/js/SelectFilter2.js")).read_text())
    assert not [text for text in chosen if f"{json.dumps(text)}: " not in texts]


def test_a_refusal_of_the_back_office_is_in_german(office):
    mail = reverse("admin:billing_invoice_mail_again", args=[make_invoice().pk])
    office.post(mail)
    assert "eben erst verschickt" in office.post(mail, follow=True, headers=GERMAN).content.decode()


def unmarked(path: Path) -> Iterator[str]:
    """The sentences of a module's refusals that are not marked for translation."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).rpartition(".")[2] in REFUSALS:
            said = node.args[0]
            if isinstance(said, ast.JoinedStr) or (isinstance(said, ast.Constant) and isinstance(said.value, str)):
                yield ast.unparse(said)


def test_every_refusal_that_staff_may_read_is_marked_for_translation():
    paths = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    named = {path.relative_to(ROOT).as_posix(): path for path in paths}
    found = {name: [*unmarked(path)] for name, path in named.items() if not ONLY_THE_API.search(name)}
    assert {name: sentences for name, sentences in found.items() if sentences} == {}


def test_every_constraint_and_every_validator_speaks_german():
    models = [model for model in apps.get_models() if model._meta.app_label in ROOMS]
    validators = [each for model in models for field in model._meta.concrete_fields for each in field.validators]
    said = {}
    for language in ("en", "de"):
        with translation.override(language):
            refused = [each.get_violation_error_message() for model in models for each in model._meta.constraints]
            said[language] = [*refused, *(str(getattr(each, "message", "")) for each in validators)]
    pairs = zip(said["en"], said["de"], strict=True)
    assert not [english for english, german in pairs if english and english == german]


def test_every_entry_of_the_audit_log_has_a_name_in_german():
    source = "".join(path.read_text() for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    written = {*re.findall(r'(?:\bwhat=|_audit\(request, )"(\w+)"', source)}
    assert written - {"new_tenant"} <= UNNAMED.keys()  # which is a button on the page of tenants
    english = {str(label) for label in UNNAMED.values()} - {"Import", "Export"}
    with translation.override("de"):
        assert not english & {str(label) for label in UNNAMED.values()}


def test_what_forms_operations_and_the_audit_log_refuse_and_say_is_in_german(office):
    lead, tenant, config, invoice = make_lead(), make_tenant(), make_config(), make_invoice()
    onboarded = {"name": "A", "key": "acme", "domains": lead.email_domain}
    office.post(reverse("admin:leads_lead_onboard", args=[lead.id]), onboarded)
    payment = reverse("admin:billing_invoice_record_payment", args=[invoice.pk])
    for said, page in {
        "Als Mandant anlegen": office.get(changelist(LogEntry), headers=GERMAN),
        "Dieser Schlüssel gehört": office.post(change(tenant), {**form_of(tenant), "key": "acme"}, headers=GERMAN),
        "Nur Kleinbuchstaben": office.post(change(tenant), {**form_of(tenant), "key": "A B"}, headers=GERMAN),
        "kein JSON-Objekt": office.post(change(config), {**form_of(config), "config_value": "[1]"}, headers=GERMAN),
        "Es kann nicht mehr zurückgezahlt": office.post(
            payment, {"amount": "-5", "seen": "0"}, headers=GERMAN, follow=True
        ),
    }.items():
        assert said in unescape(page.content.decode())


def test_what_the_api_refuses_is_english_for_who_would_like_german(staff, office):
    tenant, headers = make_tenant(key="acme"), {"Accept-Language": "de"}
    office.get(change(tenant), headers=GERMAN)
    body = {
        "name": "Acme", "key": "acme", "domains": ["acme.example"],
        "contact": {"firstName": "Ada", "lastName": "Lovelace", "email": "ada@acme.example"},
    }  # fmt: skip
    conflict = staff.post("/tenants", body, **headers).json()["error"]
    assert conflict["message"] == "This key belongs to another tenant."
    illegal = staff.post(f"/tenants/{tenant.id}/resume", **headers).json()["error"]
    assert illegal["message"].startswith("A tenant cannot go from PENDINGPROVISION to ACTIVE")
    invalid = staff.post("/tenants", {**body, "key": "A"}, **headers).json()["error"]
    assert [each["message"] for each in invalid["details"]] == ["Only lower-case letters and digits."]


def test_the_language_of_a_page_is_not_that_of_the_next_request(office, staff):
    assert "Mandanten" in office.get("/admin/", headers=GERMAN).content.decode()
    [detail] = [each for each in staff.post("/contacts", {}).json()["error"]["details"] if each["path"] == "/email"]
    assert detail["message"] == "This field is required."
