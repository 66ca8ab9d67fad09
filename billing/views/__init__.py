"""Billing over HTTP."""

from billing.views.invoices import CreditNoteViewSet, InvoiceViewSet, PaymentViewSet
from billing.views.money import NotificationView, SummaryView
from billing.views.plans import BillingCustomerViewSet, PlanViewSet, SubscriptionViewSet

__all__ = [
    "BillingCustomerViewSet",
    "CreditNoteViewSet",
    "InvoiceViewSet",
    "NotificationView",
    "PaymentViewSet",
    "PlanViewSet",
    "SubscriptionViewSet",
    "SummaryView",
]
