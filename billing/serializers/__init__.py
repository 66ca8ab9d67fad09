"""Billing on the wire."""

from billing.serializers.invoices import (
    CreditNoteSerializer,
    InvoiceSerializer,
    NewCreditNoteSerializer,
    NewPaymentSerializer,
    PaymentSerializer,
)
from billing.serializers.plans import PlanSerializer
from billing.serializers.subscriptions import (
    AmendSubscriptionSerializer,
    BillingCustomerSerializer,
    ChangePlanSerializer,
    SubscriptionSerializer,
)
from billing.serializers.summary import SummarySerializer

__all__ = [
    "AmendSubscriptionSerializer",
    "BillingCustomerSerializer",
    "ChangePlanSerializer",
    "CreditNoteSerializer",
    "InvoiceSerializer",
    "NewCreditNoteSerializer",
    "NewPaymentSerializer",
    "PaymentSerializer",
    "PlanSerializer",
    "SubscriptionSerializer",
    "SummarySerializer",
]
