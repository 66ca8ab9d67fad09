"""The back-office in German: every label that staff read has its translation, and nothing of it is on the wire."""

from collections.abc import Iterator

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, label_for_field
from django.test import RequestFactory
from django.urls import reverse
from django.utils import translation

from identity.operations import OperatingAdmin
from provisioning.models import Delivery
from tests.make import SUBSCRIPTION, make_contact, make_invoice, make_lead, make_tenant, make_user
from tests.test_house import ROOMS
from tests.test_office import change, changelist

pytestmark = pytest.mark.django_db
GERMAN = {"Accept-Language": "de"}
ALIKE = {"id", "name", "status", "logo", "website", "minute"}
"""What is the same word in both languages."""


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


def test_a_refusal_of_the_back_office_is_in_german(office):
    mail = reverse("admin:billing_invoice_mail_again", args=[make_invoice().pk])
    office.post(mail)
    assert "eben erst verschickt" in office.post(mail, follow=True, headers=GERMAN).content.decode()


def test_the_language_of_a_page_is_not_that_of_the_next_request(office, staff):
    assert "Mandanten" in office.get("/admin/", headers=GERMAN).content.decode()
    [detail] = [each for each in staff.post("/contacts", {}).json()["error"]["details"] if each["path"] == "/email"]
    assert detail["message"] == "This field is required."
