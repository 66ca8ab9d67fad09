from typing import ClassVar

from django.contrib import admin
from django.http import HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from config import audit
from config.admin import PartInline
from config.exchange import ExchangeAdmin
from config.list_filters import DaysFilter
from identity import permissions as codes
from identity.operations import RestoringAdmin, operation
from tenants import lifecycle, onboarding
from tenants.forms import CONTACT_FIELDS, ConfigForm, DomainList, NewTenantForm
from tenants.models import Branding, Contact, Resource, Tenant, TenantConfig, TenantStatus
from tenants.sheets import ContactSheet, TenantSheet

TENANT_COLOURS = {
    TenantStatus.ACTIVE: "success",
    TenantStatus.PENDINGPROVISION: "info",
    TenantStatus.PROVISIONING: "warning",
    TenantStatus.PROVISIONFAILED: "danger",
    TenantStatus.DEPROVISIONING: "warning",
    TenantStatus.INACTIVE: "default",
}


class ContactInline(PartInline):
    model = Contact
    fields = ("first_name", "last_name", "email", "contact_type", "is_primary")


class ResourceInline(PartInline):
    model = Resource
    fields = ("type", "external_identifier", "created_on")


class ConfigInline(PartInline):
    model = TenantConfig
    fields = ("config_key", "modified_on")


def in_status(*statuses: TenantStatus):
    """Whether a tenant is there and in one of `statuses`."""
    return lambda tenant: not tenant.deleted and tenant.status in statuses


@admin.register(Tenant)
class TenantAdmin(ExchangeAdmin, RestoringAdmin):
    sheet = TenantSheet
    import_verbs = ("add",)
    list_display = ("name", "key", "status_badge", "created_on")
    list_filter = ("status", ("created_on", DaysFilter))
    search_fields = ("name", "key")
    autocomplete_fields = ("lead", "address")
    fields = ("name", "key", "domains", "lead", "address", "spoc_user_id")
    looked_at: ClassVar = {"domains": "domains_shown"}
    inlines = (ContactInline, ResourceInline, ConfigInline)

    outlives = _(
        "What was built for a tenant goes on running, and its open invoices are still to be paid. Its subscription is "
        "not renewed while it is deleted, and others may take its key. Deprovision takes down what was built."
    )

    actions_list = ("new_tenant",)
    actions_detail = ("suspend", "resume")

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if db_field.name != "domains":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        return DomainList(widget=UnfoldAdminTextInputWidget())

    def has_add_permission(self, request, obj=None):
        """By `new_tenant` alone, which makes its first contact too and tells of it."""
        return False

    @operation(_("New tenant"), codes=(codes.CREATE_TENANT,), icon="add", form=NewTenantForm)
    def new_tenant(self, request, obj, **values):
        contact = {name.removeprefix("contact_"): values.pop(name) for name in CONTACT_FIELDS}
        made = onboarding.onboard(contact={**contact, "is_primary": True}, **values, actor=request.user.pk)
        audit.record(request, made, what="new_tenant", before={}, after=audit.snapshot(made))
        return HttpResponseRedirect(reverse("admin:tenants_tenant_change", args=[made.id]))

    @operation(
        _("Suspend"), codes=(codes.UPDATE_TENANT,), icon="pause", when=in_status(TenantStatus.ACTIVE),
        asks=_("The tenant becomes INACTIVE, and whoever runs it is told so. Resume takes it back."),
    )  # fmt: skip
    def suspend(self, request, tenant):
        lifecycle.suspend(tenant_id=tenant.id, actor=request.user.pk)
        return _("The tenant is suspended.")

    @operation(
        _("Resume"), codes=(codes.UPDATE_TENANT,), icon="play_arrow", when=in_status(TenantStatus.INACTIVE),
        asks=_("The tenant becomes ACTIVE again."),
    )  # fmt: skip
    def resume(self, request, tenant):
        lifecycle.resume(tenant_id=tenant.id, actor=request.user.pk)
        return _("The tenant is active again.")

    @display(description=_("domains"))
    def domains_shown(self, tenant):
        return tenant.listed_domains or None

    @display(description=_("status"), ordering="status", label=TENANT_COLOURS)
    def status_badge(self, tenant):
        return TenantStatus(tenant.status), tenant.get_status_display()


class PartAdmin(RestoringAdmin):
    autocomplete_fields = ("tenant",)
    list_select_related = ("tenant",)


@admin.register(Contact)
class ContactAdmin(ExchangeAdmin, PartAdmin):
    sheet = ContactSheet
    list_display = ("email", "first_name", "last_name", "is_primary", "tenant")
    list_filter = ("is_primary",)
    search_fields = ("email", "first_name", "last_name")


@admin.register(Resource)
class ResourceAdmin(PartAdmin):
    list_display = ("type", "external_identifier", "tenant", "created_on")
    outlives = _("What a resource stands for goes on running at its provider.")
    search_fields = ("external_identifier",)


@admin.register(TenantConfig)
class TenantConfigAdmin(PartAdmin):
    form = ConfigForm
    list_display = ("config_key", "tenant", "modified_on")
    search_fields = ("config_key",)


@admin.register(Branding)
class BrandingAdmin(PartAdmin):
    list_display = ("tenant", "website")
