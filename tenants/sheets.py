"""Tenants and contacts as files."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import OuterRef, QuerySet, Subquery
from django.utils.translation import gettext_lazy as _

from config.sheets import RECORD, Sheet
from leads.models import Address
from leads.serializers import ADDRESS_FIELDS
from tenants import onboarding
from tenants.models import Contact, Tenant
from tenants.serializers import ContactSerializer, FirstContactSerializer, OnboardSerializer

CONTACT = {"contactFirstName": "firstName", "contactLastName": "lastName", "contactEmail": "email"}


class TenantSheet(Sheet):
    """An import adds tenants as the API does, each with its first contact, and tells of them. It changes none."""

    model = Tenant
    serializer = OnboardSerializer
    columns: ClassVar = {
        "id": "id", "name": "name", "key": "key", "status": "get_status_display", "domains": "listed_domains",
        "contactFirstName": "contact_first_name", "contactLastName": "contact_last_name",
        "contactEmail": "contact_email", **{name: f"address__{name}" for name in ADDRESS_FIELDS}, **RECORD,
    }  # fmt: skip
    importable = ("name", "key", "domains", *CONTACT, *ADDRESS_FIELDS)
    required = ("name", "key", "domains", *CONTACT)
    headings: ClassVar = {
        "domains": _("domains"),
        "contactFirstName": _("First name of the contact"), "contactLastName": _("Last name of the contact"),
        "contactEmail": _("Email of the contact"),
    }  # fmt: skip

    def filter_export(self, queryset: QuerySet, **kwargs) -> QuerySet:
        """With the primary contact, else the oldest, as `Tenant.primary_contact` has it."""
        contacts = Contact.objects.filter(tenant=OuterRef("pk")).order_by("-is_primary", "created_on", "id")
        parts = ("first_name", "last_name", "email")
        return queryset.annotate(**{f"contact_{part}": Subquery(contacts.values(part)[:1]) for part in parts})

    def get_or_init_instance(self, instance_loader, row):
        return super().get_or_init_instance(instance_loader, {**row, "id": None})

    def body(self, row: Mapping[str, Any]) -> dict[str, Any]:
        first = FirstContactSerializer()
        contact = super().body_of(first, {inner: row.get(outer) for outer, inner in CONTACT.items()})
        return {**super().body(row), "contact": contact}

    def import_instance(self, instance, row, **kwargs):
        """Nothing but what the preview shows: the tenant is made by `write`."""
        self.values = self.values_of(row, None)
        for name in ("name", "key", "domains"):
            setattr(instance, name, self.values[name])
        for name, value in self.values["contact"].items():
            setattr(instance, f"contact_{name}", value)
        instance.address = Address(**{name: self.values.get(name) for name in ADDRESS_FIELDS})

    def write(self, instance, is_create):
        return onboarding.onboard(**self.values, actor=self.request.user.pk)


class ContactSheet(Sheet):
    model = Contact
    serializer = ContactSerializer
    columns: ClassVar = {
        "id": "id", "firstName": "first_name", "lastName": "last_name", "email": "email", "type": "contact_type",
        "isPrimary": "is_primary", "tenantKey": "tenant__key", "tenantName": "tenant__name", **RECORD,
    }  # fmt: skip
    importable = ("id", "firstName", "lastName", "email", "type", "isPrimary", "tenantKey")
    required = ("firstName", "lastName", "email", "tenantKey")
    stands_for: ClassVar = {"tenantId": "tenantKey"}
    headings: ClassVar = {"tenantKey": _("key of the tenant")}

    def before_import(self, dataset, **kwargs):
        super().before_import(dataset, **kwargs)
        keys = dataset["tenantKey"] if "tenantKey" in dataset.headers else []
        self.tenants = dict(Tenant.objects.filter(key__in={str(key) for key in keys}).values_list("key", "id"))

    def values_of(self, row: Mapping[str, Any], instance: Contact | None) -> dict[str, Any]:
        """A tenant that the row leaves as it is stays: the key of one that is deleted may be another's by now."""
        if instance is not None and str(row.get("tenantKey")) == instance.tenant.key:
            row = {**row, "tenantKey": None}
        return super().values_of(row, instance)

    def body(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The tenant is named by its key, which people know."""
        found = super().body(row)
        key = row.get("tenantKey")
        if key in (None, ""):
            return found
        if str(key) not in self.tenants:
            self.faults["tenantKey"] = [str(_("There is no tenant of this key."))]
            return found
        return {**found, "tenantId": str(self.tenants[str(key)])}
