"""The catalogue and the money as files. What is invoiced and paid has consequences that an import would not know."""

from typing import ClassVar

from django.db.models import QuerySet

from billing.models import Invoice, Payment, Plan, Subscription
from billing.serializers import PlanSerializer
from config.sheets import RECORD, Sheet


class PlanSheet(Sheet):
    model = Plan
    serializer = PlanSerializer
    columns: ClassVar = {
        "id": "id", "name": "name", "description": "description", "tier": "tier", "price": "price",
        "currencyCode": "currency_code", "billingCycle": "billing_cycle", "trialDays": "trial_days",
        "features": "features", "sizeConfig": "size_config", "isSelfService": "is_self_service",
        "isActive": "is_active", **RECORD,
    }  # fmt: skip
    importable = tuple(name for name in columns if name not in RECORD)
    required = ("name", "tier", "price", "currencyCode")


class SubscriptionSheet(Sheet):
    model = Subscription
    columns: ClassVar = {
        "id": "id", "tenantKey": "tenant__key", "tenantName": "tenant__name", "plan": "plan__name",
        "tier": "plan__tier", "reference": "reference", "status": "get_status_display", "price": "price",
        "currencyCode": "currency_code", "billingCycle": "billing_cycle", "taxRate": "tax_rate",
        "startDate": "start_date", "endDate": "end_date", "periodStart": "period_start", "periodEnd": "period_end",
        "nextInvoiceOn": "next_invoice_on", "credit": "credit", "cancelAtPeriodEnd": "cancel_at_period_end",
        **RECORD,
    }  # fmt: skip


class InvoiceSheet(Sheet):
    model = Invoice
    columns: ClassVar = {
        "id": "id", "number": "number", "tenantKey": "tenant__key", "tenantName": "tenant__name",
        "status": "get_status_display", "issuedOn": "issued_on", "dueDate": "due_date", "startDate": "start_date",
        "endDate": "end_date", "subtotal": "subtotal", "taxTotal": "tax_total", "amount": "amount",
        "creditedAmount": "credited_amount", "paidAmount": "paid_amount", "openAmount": "open_amount",
        "currencyCode": "currency_code", **RECORD,
    }  # fmt: skip

    def filter_export(self, queryset: QuerySet, **kwargs) -> QuerySet:
        return queryset.defer("lines", "taxes", "seller", "buyer")


class PaymentSheet(Sheet):
    model = Payment
    columns: ClassVar = {
        "id": "id", "invoiceNumber": "invoice__number", "tenantKey": "invoice__tenant__key", "amount": "amount",
        "currencyCode": "invoice__currency_code", "date": "date", "method": "method", "reference": "reference",
        "gateway": "gateway", **RECORD,
    }  # fmt: skip
