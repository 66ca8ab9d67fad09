from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.decorators import display

from billing.models import (
    BillingCustomer,
    CreditNote,
    Invoice,
    InvoiceStatus,
    NumberSeries,
    Payment,
    Plan,
    Subscription,
    SubscriptionStatus,
)
from billing.money import shown
from config.admin import AuditedAdmin, BackOfficeAdmin, LookedAt, PartInline

INVOICE_COLOURS = {
    InvoiceStatus.PENDING: "info",
    InvoiceStatus.PAID: "success",
    InvoiceStatus.CANCELLED: "default",
    InvoiceStatus.DRAFT: "warning",
    "overdue": "danger",
}
SUBSCRIPTION_COLOURS = {
    SubscriptionStatus.PENDING: "info",
    SubscriptionStatus.ACTIVE: "success",
    SubscriptionStatus.INACTIVE: "default",
    SubscriptionStatus.CANCELLED: "default",
    SubscriptionStatus.EXPIRED: "default",
}


class ReadOnlyAdmin(LookedAt, AuditedAdmin):
    """What is written here has consequences that the operations of billing know."""

    actions = ()


@admin.register(Plan)
class PlanAdmin(AuditedAdmin):
    list_display = ("name", "tier", "price_shown", "billing_cycle", "is_self_service", "is_active")
    list_filter = ("tier", "billing_cycle", "is_active")
    search_fields = ("name",)
    ordering = ("price", "id")

    @display(description=_("price"), ordering="price")
    def price_shown(self, plan):
        return shown(plan.price, plan.currency_code)


@admin.register(BillingCustomer)
class BillingCustomerAdmin(AuditedAdmin):
    list_display = ("name", "tax_id", "tenant")
    list_select_related = ("tenant",)
    autocomplete_fields = ("tenant",)
    search_fields = ("name", "tax_id")


@admin.register(Subscription)
class SubscriptionAdmin(ReadOnlyAdmin):
    list_display = ("tenant", "plan", "price_shown", "status_badge", "period_start", "period_end")
    list_filter = ("status", "billing_cycle")
    list_select_related = ("tenant", "plan")
    search_fields = ("=reference", "tenant__name", "tenant__key")

    @display(description=_("price"))
    def price_shown(self, subscription):
        return shown(subscription.price, subscription.currency_code)

    @display(description=_("status"), ordering="status", label=SUBSCRIPTION_COLOURS)
    def status_badge(self, subscription):
        return SubscriptionStatus(subscription.status), subscription.get_status_display()


class OverdueFilter(admin.SimpleListFilter):
    title = _("overdue")
    parameter_name = "overdue"

    def lookups(self, request, model_admin):
        return [("yes", _("Overdue"))]

    def queryset(self, request, queryset):
        return queryset.overdue() if self.value() else queryset


class PaymentInline(PartInline):
    model = Payment
    fields = ("amount", "date", "method", "reference", "gateway")


class CreditNoteInline(PartInline):
    model = CreditNote
    fields = ("number", "amount", "currency_code", "issued_on", "reason")


@admin.register(Invoice)
class InvoiceAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "tenant", "total", "open_shown", "issued_on", "due_date", "status_badge")
    list_filter = ("status", OverdueFilter, ("issued_on", RangeDateFilter))
    list_select_related = ("tenant",)
    search_fields = ("=number", "tenant__name", "tenant__key")
    exclude = ("lines", "taxes", "seller", "buyer", "invoice_file")
    inlines = (PaymentInline, CreditNoteInline)

    @display(description=_("total"), ordering="amount")
    def total(self, invoice):
        return shown(invoice.amount, invoice.currency_code)

    @display(description=_("open"))
    def open_shown(self, invoice):
        return shown(invoice.open_amount, invoice.currency_code) if invoice.status == InvoiceStatus.PENDING else "–"

    @display(description=_("status"), ordering="status", label=INVOICE_COLOURS)
    def status_badge(self, invoice):
        if invoice.is_overdue:
            return "overdue", _("overdue")
        return InvoiceStatus(invoice.status), invoice.get_status_display()


@admin.register(CreditNote)
class CreditNoteAdmin(ReadOnlyAdmin):
    list_display = ("number", "invoice", "amount", "currency_code", "issued_on")
    list_select_related = ("invoice",)
    search_fields = ("=number", "=invoice__number")
    exclude = ("lines", "taxes", "seller", "buyer", "invoice_file")


@admin.register(Payment)
class PaymentAdmin(ReadOnlyAdmin):
    list_display = ("invoice", "amount", "date", "method", "reference", "gateway")
    list_filter = (("date", RangeDateFilter),)
    list_select_related = ("invoice",)
    search_fields = ("=reference", "=invoice__number")


@admin.register(NumberSeries)
class NumberSeriesAdmin(LookedAt, BackOfficeAdmin):
    list_display = ("series", "year", "last")
