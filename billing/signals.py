"""What `billing` tells whoever stands above it. Each signal is sent inside the transaction of the change.

A receiver may write rows of its own; it must not call out. `actor` is the id of who did it, or None. Invoices, and
subscriptions with another plan, come in lists, because a run has them by the hundred; their tenants are fetched, also
deleted ones.
"""

from django.dispatch import Signal

invoices_issued = Signal()
"""Invoices are owed. Arguments: `invoices`, `actor`."""

invoice_paid = Signal()
"""An invoice is paid in full. Arguments: `invoice`, `actor`."""

invoice_credited = Signal()
"""An invoice was taken back, wholly (then it is CANCELLED) or in part. Arguments: `credit_note`, `actor`."""

invoices_overdue = Signal()
"""Invoices are past the day they were due. Sent once for each. Arguments: `invoices`, `actor`."""

reminders_due = Signal()
"""Customers are to be reminded of overdue invoices. Arguments: `invoices`, `actor`."""

subscriptions_changed = Signal()
"""Live subscriptions have another plan now: what was built may have to grow or shrink. Arguments: `subscriptions`,
`actor`."""

subscription_ending = Signal()
"""A subscription ends within SUBSCRIPTION_NOTICE_DAYS. Sent once. Arguments: `subscription`, `actor`."""

subscription_ended = Signal()
"""A subscription is CANCELLED or EXPIRED. Arguments: `subscription`, `actor`."""
