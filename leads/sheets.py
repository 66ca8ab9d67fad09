"""Leads as files; none is imported, since nobody but a lead itself can prove its address."""

from typing import ClassVar

from config.sheets import RECORD, Sheet
from leads.models import Lead


class LeadSheet(Sheet):
    model = Lead
    columns: ClassVar = {
        "id": "id", "email": "email", "firstName": "first_name", "lastName": "last_name",
        "companyName": "company_name", "isValidated": "is_validated", "address": "address__address",
        "zip": "address__zip", "city": "address__city", "state": "address__state", "country": "address__country",
        **RECORD,
    }  # fmt: skip
