"""A process that issues invoices until so many are there: `python tests/issuer.py TENANT TARGET`."""

import os
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal


def main(tenant_id: str, target: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from billing.invoicing import create
    from billing.models import Invoice, InvoiceStatus
    from billing.totals import Line
    from tenants.models import Tenant

    tenant = Tenant.objects.get(id=tenant_id)

    start = datetime(2026, 1, 1, tzinfo=UTC)
    values = {
        "tenant": tenant, "start_date": start, "end_date": start + timedelta(days=31), "currency_code": "EUR",
        "due_date": start + timedelta(days=14),
    }  # fmt: skip
    lines = [Line("Services", Decimal("120.50"), tax_rate=Decimal(19))]
    while Invoice.objects.filter(tenant=tenant).count() < target:
        create(values=values, lines=lines, status=InvoiceStatus.PENDING, actor=None)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
