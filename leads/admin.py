from django.contrib import admin
from unfold.contrib.filters.admin import RangeDateFilter

from config.admin import AuditedAdmin, BackOfficeAdmin, LookedAt
from leads.models import Address, Lead, LeadKey


@admin.register(Lead)
class LeadAdmin(AuditedAdmin):
    list_display = ("email", "first_name", "last_name", "company_name", "is_validated", "created_on")
    list_filter = ("is_validated", ("created_on", RangeDateFilter))
    search_fields = ("email", "first_name", "last_name", "company_name")
    autocomplete_fields = ("address",)
    readonly_fields = ("is_validated",)


@admin.register(Address)
class AddressAdmin(AuditedAdmin):
    list_display = ("address", "zip", "city", "state", "country")
    search_fields = ("address", "city", "zip")


@admin.register(LeadKey)
class LeadKeyAdmin(LookedAt, BackOfficeAdmin):
    list_display = ("lead_id", "created_on", "expires_at", "used_at")
    raw_id_fields = ("lead",)
    ordering = ("-expires_at",)
