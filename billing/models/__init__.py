"""What is for sale, who has taken it, and what is owed and paid for it: a file for each."""

from billing.models.invoices import Invoice, InvoiceStatus
from billing.models.plans import BillingCycle, Plan, Tier

__all__ = ["BillingCycle", "Invoice", "InvoiceStatus", "Plan", "Tier"]
