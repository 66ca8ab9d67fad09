"""What `billing` tells whoever stands above it. Each signal is sent inside the transaction of the change."""

from django.dispatch import Signal

invoice_issued = Signal()
"""An invoice is owed. Arguments: `invoice`, `actor`."""

invoice_paid = Signal()
"""An invoice is paid. Arguments: `invoice`, `actor`."""
