from django.contrib import admin

from billing.models import BillingCustomer, CreditNote, Invoice, NumberSeries, Payment, Plan, Subscription
from config.admin import AuditedAdmin


class ReadOnlyAdmin(AuditedAdmin):
    """Pages to look at: what is written here has consequences that the API's operations know."""

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(Plan)
class PlanAdmin(AuditedAdmin):
    list_display = ("name", "tier", "price", "currency_code", "billing_cycle", "is_self_service", "is_active")
    list_filter = ("tier", "billing_cycle", "is_active")
    search_fields = ("name",)


@admin.register(BillingCustomer)
class BillingCustomerAdmin(AuditedAdmin):
    list_display = ("name", "tax_id", "tenant")
    list_select_related = ("tenant",)
    raw_id_fields = ("tenant",)
    search_fields = ("name", "tax_id")


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "plan", "price", "currency_code", "status", "period_start", "period_end")
    list_filter = ("status", "billing_cycle")
    list_select_related = ("tenant", "plan")


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    list_display = ("number", "tenant", "amount", "currency_code", "due_date", "status")
    list_filter = ("status", "currency_code")
    list_select_related = ("tenant",)
    search_fields = ("number",)


@admin.register(CreditNote)
class CreditNoteAdmin(ReadOnlyAdmin):
    list_display = ("number", "invoice", "amount", "currency_code", "issued_on")
    list_select_related = ("invoice",)
    search_fields = ("number",)


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ("invoice", "amount", "date", "method", "reference", "gateway")
    list_filter = ("gateway",)
    list_select_related = ("invoice",)
    search_fields = ("reference",)


@admin.register(NumberSeries)
class NumberSeriesAdmin(admin.ModelAdmin):
    list_display = ("series", "year", "last")

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
