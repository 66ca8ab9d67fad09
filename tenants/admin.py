from django.contrib import admin

from config.admin import AuditedAdmin
from tenants.models import Branding, Contact, Resource, Tenant, TenantConfig


@admin.register(Tenant)
class TenantAdmin(AuditedAdmin):
    list_display = ("name", "key", "status", "created_on", "deleted")
    list_filter = ("status", "deleted")
    search_fields = ("name", "key")
    raw_id_fields = ("lead", "address")
    readonly_fields = ("status",)


class PartAdmin(AuditedAdmin):
    raw_id_fields = ("tenant",)
    list_select_related = ("tenant",)


@admin.register(Contact)
class ContactAdmin(PartAdmin):
    list_display = ("email", "first_name", "last_name", "is_primary", "tenant")
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
