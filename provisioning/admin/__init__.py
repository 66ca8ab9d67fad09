"""What staff see of provisioning, and the pages of rooms below with what provisioning knows and can do besides."""

from provisioning.admin import invoices, records, tenants  # noqa: F401  (each registers its pages)
