"""The JSON Schemas of all events (https://json-schema.org/draft/2020-12), served at /events/schema.json."""

from collections.abc import Mapping
from typing import Any

from provisioning import events
from provisioning.offboarding import ERASED

Schema = Mapping[str, Any]

UUID: Schema = {"type": "string", "format": "uuid"}
TEXT: Schema = {"type": "string"}
OPTIONAL_TEXT: Schema = {"type": ["string", "null"]}
OPTIONAL_UUID: Schema = {"type": ["string", "null"], "format": "uuid"}
MOMENT: Schema = {"type": "string", "format": "date-time"}


def _object(**properties: Schema) -> Schema:
    """An object with exactly these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


ADDRESS = _object(
    id=UUID,
    address=OPTIONAL_TEXT,
    city=OPTIONAL_TEXT,
    state=OPTIONAL_TEXT,
    zip=OPTIONAL_TEXT,
    country=TEXT,
)
CONTACT = _object(
    id=UUID,
    firstName=TEXT,
    lastName=TEXT,
    email={"type": "string", "format": "email"},
    type=OPTIONAL_TEXT,
    isPrimary={"type": "boolean"},
    tenantId=UUID,
)
TENANT = _object(
    id=UUID,
    name=TEXT,
    status={"type": "integer", "minimum": 0, "maximum": 5},
    key={"anyOf": [{"type": "string", "pattern": "^[a-z0-9]{1,10}$"}, {"const": ERASED, "description": "Purged."}]},
    spocUserId=OPTIONAL_UUID,
    domains={"type": "array", "items": TEXT},
    leadId=OPTIONAL_UUID,
    addressId=OPTIONAL_UUID,
    contacts={"type": "array", "items": {"$ref": "#/$defs/contact"}},
    address={"oneOf": [{"$ref": "#/$defs/address"}, {"type": "null"}]},
)
LEAD = _object(
    id=UUID,
    firstName=TEXT,
    lastName=TEXT,
    companyName=TEXT,
    email={"type": "string", "format": "email"},
    isValidated={"type": "boolean"},
    addressId=OPTIONAL_UUID,
)
NUMBER: Schema = {"type": "number"}
DOCUMENT: Mapping[str, Schema] = {
    "number": OPTIONAL_TEXT,
    "issuedOn": {"type": ["string", "null"], "format": "date-time"},
    "lines": {
        "type": "array",
        "items": _object(
            description=TEXT,
            quantity=NUMBER,
            unitPrice=NUMBER,
            discountPercent=NUMBER,
            taxRate=NUMBER,
            amount=NUMBER,
        ),
    },
    "subtotal": NUMBER,
    "taxes": {"type": "array", "items": _object(rate=NUMBER, net=NUMBER, tax=NUMBER)},
    "taxTotal": NUMBER,
    "seller": {"type": "object", "additionalProperties": TEXT},
    "buyer": {"type": "object", "additionalProperties": TEXT},
}
INVOICE = _object(
    **DOCUMENT,
    subscriptionId=OPTIONAL_UUID,
    paidAmount=NUMBER,
    creditedAmount=NUMBER,
    openAmount=NUMBER,
    isOverdue={"type": "boolean"},
    id=UUID,
    startDate=MOMENT,
    endDate=MOMENT,
    amount={"type": "number", "minimum": 0},
    currencyCode={"type": "string", "pattern": "^[A-Z]{3}$"},
    invoiceFile=OPTIONAL_TEXT,
    dueDate=MOMENT,
    status={"type": "integer", "minimum": 0, "maximum": 3},
    tenantId=UUID,
)
CREDIT_NOTE = _object(
    **DOCUMENT,
    id=UUID,
    invoiceId=UUID,
    amount={"type": "number", "exclusiveMinimum": 0},
    currencyCode={"type": "string", "pattern": "^[A-Z]{3}$"},
    reason=TEXT,
    invoiceFile=OPTIONAL_TEXT,
)
SUBSCRIPTION: Schema = {
    "description": "As the provision request had it, its plan with an upper-case tier; empty for what was never built.",
    "type": "object",
    "properties": {
        "id": TEXT,
        "plan": {
            "type": "object",
            "properties": {"tier": {"enum": ["BASIC", "STANDARD", "PREMIUM"]}},
            "required": ["tier"],
        },
    },
}
_TENANT_REF: Schema = {"tenant": {"$ref": "#/$defs/tenant"}}
_INVOICE_REF: Schema = {**_TENANT_REF, "invoice": {"$ref": "#/$defs/invoice"}}
_SUBSCRIPTION_REF: Schema = {**_TENANT_REF, "subscription": {"$ref": "#/$defs/subscription"}}
_LEAD_REF: Schema = {"lead": {"$ref": "#/$defs/lead"}}
_RUN: Schema = {
    "subscription": {"$ref": "#/$defs/subscription"},
    "isolation": {"enum": ["silo", "pooled"]},
    "pipeline": {"type": "string", "description": "SILOED_PIPELINE or POOLED_PIPELINE."},
    "secret": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "What the callback is signed with."},
    "context": {"type": "string", "format": "uuid", "description": "Part of what is signed."},
    "callbackUrl": {"type": "string", "format": "uri"},
    "usersUrl": {"type": "string", "format": "uri"},
}
PROPERTIES: Mapping[str, Schema] = {
    events.LEAD_CREATED: _LEAD_REF,
    events.LEAD_VERIFIED: _LEAD_REF,
    events.TENANT_CREATED: _TENANT_REF,
    events.TENANT_PROVISIONING: {**_TENANT_REF, **_RUN},
    events.TENANT_PROVISIONING_SUCCESS: {**_TENANT_REF, "appPlaneUrl": TEXT},
    events.TENANT_PROVISIONING_FAILURE: {**_TENANT_REF, "reason": TEXT},
    events.TENANT_SECRET_ROTATED: {**_TENANT_REF, **_RUN},
    events.TENANT_SUSPENDED: {
        **_TENANT_REF,
        "reason": {**OPTIONAL_TEXT, "description": "Null where somebody asked for it."},
    },
    events.TENANT_RESUMED: _TENANT_REF,
    events.TENANT_DEPROVISIONING: {**_TENANT_REF, **_RUN},
    events.TENANT_DEPROVISIONED: _TENANT_REF,
    events.TENANT_DEPROVISIONING_FAILURE: {**_TENANT_REF, "reason": TEXT},
    events.TENANT_IDENTITY_READY: {**_TENANT_REF, "identityProvider": TEXT, "authId": TEXT},
    events.INVOICE_ISSUED: _INVOICE_REF,
    events.INVOICE_PAID: _INVOICE_REF,
    events.INVOICE_CREDITED: {**_INVOICE_REF, "creditNote": {"$ref": "#/$defs/creditNote"}},
    events.INVOICE_OVERDUE: _INVOICE_REF,
    events.SUBSCRIPTION_CHANGED: _SUBSCRIPTION_REF,
    events.SUBSCRIPTION_ENDING: _SUBSCRIPTION_REF,
    events.SUBSCRIPTION_ENDED: _SUBSCRIPTION_REF,
}
"""What each type of event carries besides id, type and time."""


def event_schema() -> Schema:
    """One schema for all events: `oneOf`, told apart by `type`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events",
        "description": "`id` is unique for ever: a consumer drops what it has seen.",
        "oneOf": [
            {"title": type, **_object(id=UUID, type={"const": type}, time=MOMENT, **properties)}
            for type, properties in PROPERTIES.items()
        ],
        "$defs": {
            "address": ADDRESS,
            "contact": CONTACT,
            "tenant": TENANT,
            "lead": LEAD,
            "invoice": INVOICE,
            "creditNote": CREDIT_NOTE,
            "subscription": SUBSCRIPTION,
        },
    }
