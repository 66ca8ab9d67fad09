"""Who sells and who buys, as a document names them; frozen into it when it is issued."""

import uuid
from collections.abc import Iterable

from django.conf import settings

from billing.models import BillingCustomer
from tenants.models import Tenant

Party = dict[str, str]


def seller() -> Party:
    """The seller of the settings, with its terms of payment."""
    return {
        "name": settings.SELLER_NAME,
        "address": settings.SELLER_ADDRESS,
        "country": settings.SELLER_COUNTRY,
        "taxId": settings.SELLER_TAX_ID,
        "terms": settings.INVOICE_TERMS,
    }


def buyers(tenants: Iterable[Tenant]) -> dict[uuid.UUID, Party]:
    """The buyer of each tenant: its billing customer, else the tenant and its address; and its language.

    One statement, given that the addresses and leads were fetched.
    """
    result = {
        tenant.id: {
            "name": tenant.name,
            "address": _lines(tenant.address),
            "country": tenant.address.country if tenant.address else "",
            "taxId": "",
            "language": tenant.language or settings.LANGUAGE_CODE,
        }
        for tenant in tenants
    }
    for customer in BillingCustomer.objects.filter(tenant__in=list(result)):
        result[customer.tenant_id] |= {
            "name": customer.name,
            "address": customer.address,
            "country": customer.country,
            "taxId": customer.tax_id,
        }
    return result


def _lines(address) -> str:
    """A postal address as on an envelope."""
    if address is None:
        return ""
    town = " ".join(filter(None, (address.zip, address.city)))
    return "\n".join(filter(None, (address.address, town, address.state)))
