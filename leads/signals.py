"""What `leads` tells whoever stands above it. Each signal is sent inside the transaction of the change.

A receiver may write rows of its own; it must not call out, since the change may still be rolled back.
"""

from django.dispatch import Signal

lead_created = Signal()
"""A lead has signed up. Arguments: `lead`."""

lead_verified = Signal()
"""A lead has proved its mail address. Arguments: `lead`."""

lead_link_requested = Signal()
"""Somebody asked for a new link to a lead's sign-up. Arguments: `lead`."""

lead_already_registered = Signal()
"""Somebody signed up again with the address of a validated lead. Arguments: `lead`, the validated one."""
