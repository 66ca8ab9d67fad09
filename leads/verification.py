"""From a sign-up to a proved mail address: registers leads, issues and consumes their keys, mints their tokens."""

import secrets
import uuid
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Lower
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed

from config.errors import Conflict
from identity.permissions import LEAD_CODES
from identity.tokens import mint
from leads.models import Address, Lead, LeadKey
from leads.signals import lead_already_registered, lead_created, lead_link_requested, lead_verified


@transaction.atomic
def register_lead(*, address: dict[str, Any] | None = None, **values: Any) -> tuple[uuid.UUID, str | None]:
    """Sign somebody up: the lead's id and, where LEAD_KEY_IN_RESPONSE says so, its key.

    An address that a validated lead has gets the answer that any other gets, and a mail that says so (CONTRACT
    section 10). Raises Conflict instead when LEAD_CONFLICT_VISIBLE is set.
    """
    same_address = Lead.objects.filter(email__lower=Lower(Value(values["email"])), is_validated=True)
    known = same_address.only("id").first()
    if known is not None:
        if settings.LEAD_CONFLICT_VISIBLE:
            raise Conflict("This email address belongs to somebody who has signed up already.", code="email_taken")
        lead_already_registered.send(Lead, lead=known)
        return uuid.uuid4(), random_key() if settings.LEAD_KEY_IN_RESPONSE else None
    actor = settings.SYSTEM_USER_ID
    stored = None
    if address and address.get("country"):
        stored = Address.objects.create(**address, created_by=actor, modified_by=actor)
    lead = Lead.objects.create(**values, address=stored, created_by=actor, modified_by=actor)
    lead_created.send(Lead, lead=lead)
    return lead.id, issue_key(lead) if settings.LEAD_KEY_IN_RESPONSE else None


@transaction.atomic
def request_link(*, lead_id: uuid.UUID) -> None:
    """Mail a link with a fresh key to the lead; nothing where there is no such lead, and nobody learns which."""
    lead = Lead.objects.filter(id=lead_id).first()
    if lead is not None:
        lead_link_requested.send(Lead, lead=lead)


def random_key() -> str:
    """LEAD_KEY_LENGTH random hex characters."""
    return secrets.token_hex((settings.LEAD_KEY_LENGTH + 1) // 2)[: settings.LEAD_KEY_LENGTH]


def issue_key(lead: Lead) -> str:
    """A fresh key for the address of `lead`; keys issued for it before stay good until they expire."""
    key = random_key()
    expires_at = timezone.now() + settings.VALIDATION_TOKEN_EXPIRY
    LeadKey.objects.create(lead=lead, key_hash=LeadKey.hash(key, lead.email), expires_at=expires_at)
    return key


@transaction.atomic
def verify_lead(*, lead_id: uuid.UUID, key: str) -> str:
    """Spend `key` and mark the lead as validated: the lead's token.

    Raises AuthenticationFailed for a key that is wrong, used, expired, another lead's or mailed to another address,
    IntegrityError (409) when another lead has proved the same address meanwhile; the key is then not spent.
    """
    now = timezone.now()
    # Locked, so that nobody gives it another address meanwhile, and two keys of it do not prove its address twice.
    lead = Lead.objects.select_for_update(no_key=True).filter(id=lead_id).first()
    keys = LeadKey.objects.filter(lead_id=lead_id, used_at=None, expires_at__gt=now)
    if lead is None or not keys.filter(key_hash=LeadKey.hash(key, lead.email)).update(used_at=now):
        raise AuthenticationFailed("The key is wrong, used or expired.")
    if not lead.is_validated:
        lead.is_validated, lead.modified_by = True, lead.id
        lead.save(update_fields=["is_validated", "modified_by"])
        lead_verified.send(Lead, lead=lead)
    return lead_token(lead)


def unprove(lead: Lead) -> None:
    """`lead` has another address, which it has to prove before it gets a token again. Its tenant stays."""
    lead.is_validated = False
    lead.save(update_fields=["is_validated"])


def lead_token(lead: Lead) -> str:
    """The token of CONTRACT section 2, confined to `lead`'s own objects."""
    return mint(subject=lead.id, permissions=LEAD_CODES, lifetime=settings.LEAD_TOKEN_EXPIRY, lead_id=lead.id)
