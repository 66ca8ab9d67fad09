from typing import ClassVar

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.decorators import display

from config.admin import AuditedAdmin, PartInline
from tenants.models import Branding, Contact, Resource, Tenant, TenantConfig, TenantStatus

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


@admin.register(Tenant)
class TenantAdmin(AuditedAdmin):
    list_display = ("name", "key", "status_badge", "created_on")
    list_filter = ("status", ("created_on", RangeDateFilter))
    search_fields = ("name", "key")
    autocomplete_fields = ("lead", "address")
    fields = ("name", "key", "status_badge", "domains", "lead", "address", "spoc_user_id")
    readonly_fields: ClassVar = ("status_badge",)
    inlines = (ContactInline, ResourceInline, ConfigInline)

    @display(description=_("status"), ordering="status", label=TENANT_COLOURS)
    def status_badge(self, tenant):
        return TenantStatus(tenant.status), tenant.get_status_display()


class PartAdmin(AuditedAdmin):
    autocomplete_fields = ("tenant",)
    list_select_related = ("tenant",)


@admin.register(Contact)
class ContactAdmin(PartAdmin):
    list_display = ("email", "first_name", "last_name", "is_primary", "tenant")
    list_filter = ("is_primary",)
    search_fields = ("email", "first_name", "last_name")


@admin.register(Resource)
class ResourceAdmin(PartAdmin):
    list_display = ("type", "external_identifier", "tenant", "created_on")
    search_fields = ("external_identifier",)


@admin.register(TenantConfig)
class TenantConfigAdmin(PartAdmin):
    list_display = ("config_key", "tenant", "modified_on")
    search_fields = ("config_key",)


@admin.register(Branding)
class BrandingAdmin(PartAdmin):
    list_display = ("tenant", "website")
