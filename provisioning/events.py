"""The outbox's writing side: an event and its deliveries, in the caller's transaction."""

import uuid
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone

from provisioning import connectors, inline
from provisioning.models import Delivery, Event, ProvisioningRun

LEAD_CREATED = "LEAD_CREATED"
LEAD_VERIFIED = "LEAD_VERIFIED"
LEAD_LINK_REQUESTED = "LEAD_LINK_REQUESTED"
LEAD_ALREADY_REGISTERED = "LEAD_ALREADY_REGISTERED"
TENANT_CREATED = "TENANT_CREATED"
TENANT_PROVISIONING = "TENANT_PROVISIONING"
TENANT_PROVISIONING_SUCCESS = "TENANT_PROVISIONING_SUCCESS"
TENANT_PROVISIONING_FAILURE = "TENANT_PROVISIONING_FAILURE"
TENANT_SUSPENDED = "TENANT_SUSPENDED"
TENANT_RESUMED = "TENANT_RESUMED"
TENANT_SECRET_ROTATED = "TENANT_SECRET_ROTATED"  # noqa: S105  (a name, no secret)
TENANT_DEPROVISIONING = "TENANT_DEPROVISIONING"
TENANT_DEPROVISIONED = "TENANT_DEPROVISIONED"
TENANT_DEPROVISIONING_FAILURE = "TENANT_DEPROVISIONING_FAILURE"
TENANT_IDENTITY_READY = "TENANT_IDENTITY_READY"
TENANT_DELETED = "TENANT_DELETED"
TENANT_RESTORED = "TENANT_RESTORED"

INVOICE_ISSUED = "INVOICE_ISSUED"
INVOICE_PAID = "INVOICE_PAID"

INVOICE_CREDITED = "INVOICE_CREDITED"
INVOICE_OVERDUE = "INVOICE_OVERDUE"
INVOICE_REMINDER = "INVOICE_REMINDER"
INVOICE_MAIL_REQUESTED = "INVOICE_MAIL_REQUESTED"
SUBSCRIPTION_CHANGED = "SUBSCRIPTION_CHANGED"
SUBSCRIPTION_ENDING = "SUBSCRIPTION_ENDING"
SUBSCRIPTION_ENDED = "SUBSCRIPTION_ENDED"

INTERNAL = frozenset(
    {
        LEAD_ALREADY_REGISTERED,
        LEAD_LINK_REQUESTED,
        TENANT_DELETED,
        TENANT_RESTORED,
        INVOICE_REMINDER,
        INVOICE_MAIL_REQUESTED,
    }
)
"""Events that only cause a mail or stand in the timeline. Of the first, a bus would learn who signs up again."""

ON_BUS = frozenset(
    {
        LEAD_CREATED,
        LEAD_VERIFIED,
        TENANT_CREATED,
        TENANT_PROVISIONING,
        TENANT_PROVISIONING_SUCCESS,
        TENANT_PROVISIONING_FAILURE,
        TENANT_SECRET_ROTATED,
        TENANT_SUSPENDED,
        TENANT_RESUMED,
        TENANT_DEPROVISIONING,
        TENANT_DEPROVISIONED,
        TENANT_DEPROVISIONING_FAILURE,
        TENANT_IDENTITY_READY,
        INVOICE_ISSUED,
        INVOICE_PAID,
        INVOICE_CREDITED,
        INVOICE_OVERDUE,
        SUBSCRIPTION_CHANGED,
        SUBSCRIPTION_ENDING,
        SUBSCRIPTION_ENDED,
    }
)

MAIL_PAUSE = timedelta(minutes=1)
"""A second mail that staff ask for within it is a button that was pressed twice."""


def check_settings() -> None:
    """Raises ImproperlyConfigured for a type in EVENTS_ON_BUS that does not exist."""
    for type in settings.EVENTS_ON_BUS:
        if type != "*" and type not in ON_BUS:
            raise ImproperlyConfigured(f"EVENTS_ON_BUS names the unknown event type {type}.")


def buses_of(type: str) -> list[str]:
    """The connectors that an event of this type goes to."""
    if type not in ON_BUS or not ("*" in settings.EVENTS_ON_BUS or type in settings.EVENTS_ON_BUS):
        return []
    return [name for name, connector in connectors.active().items() if connector.takes(type)]


def asked_lately(type: str, *, subject: uuid.UUID, payload: dict[str, Any]) -> bool:
    """Whether there is such an event of the last MAIL_PAUSE. The caller holds the lock of what it is about."""
    since = timezone.now() - MAIL_PAUSE
    return Event.objects.filter(type=type, subject=subject, payload=payload, occurred_on__gt=since).exists()


def record(type: str, *, subject: uuid.UUID, payload: dict[str, Any], **kwargs: Any) -> Event:
    """Write one event, as `record_all` does."""
    (event,) = record_all(type, payloads=[(subject, payload)], **kwargs)
    return event


def record_all(
    type: str,
    *,
    payloads: Iterable[tuple[uuid.UUID, dict[str, Any]]],
    run: ProvisioningRun | None = None,
    actor: uuid.UUID | None = None,
    mails: Iterable[str] = (),
) -> list[Event]:
    """Write an event for each subject and payload, with a delivery for each connector that takes it and each mail.

    Needs a transaction. Two statements, however many events.
    """
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("An event is written in the transaction of what it tells of.")
    events = Event.objects.bulk_create(
        Event(type=type, subject=subject, payload=payload, run=run, actor=actor) for subject, payload in payloads
    )
    destinations = [f"mail:{name}" for name in mails] + [f"bus:{name}" for name in buses_of(type)]
    Delivery.objects.bulk_create(
        Delivery(event=event, subject=event.subject, destination=destination)
        for event in events
        for destination in destinations
    )
    if destinations and settings.EVENT_DELIVERY == "inline":
        for subject in {event.subject for event in events}:
            transaction.on_commit(partial(inline.deliver_soon, subject))
    return events
