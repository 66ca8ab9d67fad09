"""What `tenants` tells whoever stands above it. Each signal is sent inside the transaction of the change.

A receiver may write rows of its own; it must not call out, since the change may still be rolled back. `actor` is the
id of who did it, or None where it is not known.
"""

from django.dispatch import Signal

tenant_created = Signal()
"""A tenant was onboarded. Arguments: `tenant`, `contacts` (a list of Contact), `actor`."""

tenants_deleted = Signal()
"""Tenants were deleted by hand. Arguments: `tenant_ids`, `actor`."""

tenants_restored = Signal()
"""Deleted tenants are there again. Arguments: `tenant_ids`, `actor`."""

tenant_provisioned = Signal()
"""A tenant's resources stand and it is ACTIVE. Arguments: `tenant`, `resources` (a list of Resource),
`app_plane_url` (where the tenant's people log in, may be empty), `actor`."""

tenant_provisioning_failed = Signal()
"""Building a tenant's resources has failed. Arguments: `tenant`, `reason`, `actor`."""

tenant_suspended = Signal()
"""An ACTIVE tenant became INACTIVE. Arguments: `tenant`, `reason` (None where somebody asked for it), `actor`."""

tenant_resumed = Signal()
"""An INACTIVE tenant became ACTIVE again. Arguments: `tenant`, `actor`."""

tenant_deprovisioned = Signal()
"""A tenant's resources are gone; it is INACTIVE and deleted. Arguments: `tenant`, `actor`."""

tenant_deprovisioning_failed = Signal()
"""Taking a tenant's resources down has failed; it has its former status back. Arguments: `tenant`, `reason`,
`actor`."""
