"""What is for sale, who has taken it, and what is owed and paid for it: a file for each."""

from billing.models.customers import BillingCustomer
from billing.models.invoices import CreditNote, Invoice, InvoiceStatus, NumberSeries
from billing.models.payments import Payment
from billing.models.plans import BillingCycle, Plan, Tier
from billing.models.subscriptions import Subscription, SubscriptionStatus, SubscriptionTerms

__all__ = [
    "BillingCustomer",
    "BillingCycle",
    "CreditNote",
    "Invoice",
    "InvoiceStatus",
    "NumberSeries",
    "Payment",
    "Plan",
    "Subscription",
    "SubscriptionStatus",
    "SubscriptionTerms",
    "Tier",
]
