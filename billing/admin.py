from django.contrib import admin

from billing.models import Invoice, Plan
from config.admin import AuditedAdmin


@admin.register(Invoice)
class InvoiceAdmin(AuditedAdmin):
    list_display = ("tenant", "amount", "currency_code", "due_date", "status")
    list_filter = ("status", "currency_code")
    list_select_related = ("tenant",)
    raw_id_fields = ("tenant",)
    readonly_fields = ("invoice_file",)


@admin.register(Plan)
class PlanAdmin(AuditedAdmin):
    list_display = ("name", "tier", "price", "currency_code", "billing_cycle", "is_self_service", "is_active")
    list_filter = ("tier", "billing_cycle", "is_active")
    search_fields = ("name",)
