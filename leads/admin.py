from django.contrib import admin

from config.admin import AuditedAdmin
from leads.models import Address, Lead, LeadKey


@admin.register(Lead)
class LeadAdmin(AuditedAdmin):
    list_display = ("email", "first_name", "last_name", "company_name", "is_validated", "created_on")
    list_filter = ("is_validated", "deleted")
    search_fields = ("email", "first_name", "last_name", "company_name")
    raw_id_fields = ("address",)
    readonly_fields = ("is_validated",)


@admin.register(Address)
class AddressAdmin(AuditedAdmin):
    list_display = ("address", "zip", "city", "state", "country")
    search_fields = ("address", "city", "zip")


@admin.register(LeadKey)
class LeadKeyAdmin(admin.ModelAdmin):
    list_display = ("lead_id", "created_on", "expires_at", "used_at")
    raw_id_fields = ("lead",)
    show_full_result_count = False

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False
