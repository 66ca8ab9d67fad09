"""The outbox's reading side: claim with a lease, call out, mark after.

A crash at any point repeats a delivery, and never loses it. Deliveries of one subject to one destination keep their
order: a later one is not claimed while an earlier one is pending. The attempt is recorded before, the result after.
"""

import logging
import random
import smtplib
import uuid
from datetime import timedelta

from anymail.exceptions import AnymailError
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.utils import timezone

from provisioning import connectors
from provisioning.connectors.base import PublishError
from provisioning.mails import MAILS
from provisioning.messages import message
from provisioning.models import Delivery, ProvisioningRun

logger = logging.getLogger("tenantry.delivery")


class NothingToDeliver(Exception):
    """What a delivery was about is over; it is cancelled, with this text."""


def claim(limit: int, *, subject: uuid.UUID | None = None) -> list[Delivery]:
    """Up to `limit` deliveries that are due, leased to the caller for EVENT_LEASE; of one subject if given.

    Several processes may claim at once: on PostgreSQL they skip what another is just claiming.
    """
    now = timezone.now()
    earlier = Delivery.objects.filter(
        subject=OuterRef("subject"), destination=OuterRef("destination"), state=Delivery.State.PENDING,
        id__lt=OuterRef("id"),
    )  # fmt: skip
    due = Delivery.objects.filter(~Exists(earlier), state=Delivery.State.PENDING, next_attempt_on__lte=now)
    if subject is not None:
        due = due.filter(subject=subject)
    lease = uuid.uuid4()
    with transaction.atomic():
        due = due.order_by("next_attempt_on", "id")
        if connection.features.has_select_for_update_skip_locked:
            due = due.select_for_update(of=("self",), skip_locked=True)
        ids = list(due.values_list("id", flat=True)[:limit])
        if not ids:
            return []
        Delivery.objects.filter(id__in=ids).update(
            lease=lease, attempts=F("attempts") + 1, next_attempt_on=now + settings.EVENT_LEASE
        )
    return list(Delivery.objects.filter(lease=lease, id__in=ids).select_related("event__run").order_by("id"))


def deliver(delivery: Delivery) -> None:
    """Make one attempt at a claimed delivery and record the outcome.

    An exception that is not PublishError is a defect and surfaces; the lease then ends by itself.
    """
    if delivery.attempts > settings.EVENT_MAX_ATTEMPTS:  # the last attempt never came to an end
        _finish(delivery, Delivery.State.DEAD, delivery.last_error or "The last attempt broke off.")
        return
    try:
        _send(delivery)
    except NothingToDeliver as reason:
        _finish(delivery, Delivery.State.CANCELLED, str(reason))
    except PublishError as error:
        if error.permanent or delivery.attempts >= settings.EVENT_MAX_ATTEMPTS:
            logger.error("delivery %s of event %s is dead: %s", delivery.id, delivery.event.event_id, error)
            _finish(delivery, Delivery.State.DEAD, str(error))
        else:
            logger.warning("delivery %s of event %s will be retried: %s", delivery.id, delivery.event.event_id, error)
            _held(delivery).update(
                lease=None, next_attempt_on=timezone.now() + backoff(delivery.attempts), last_error=str(error)[:500]
            )
    else:
        _finish(delivery, Delivery.State.DELIVERED)


def _send(delivery: Delivery) -> None:
    kind, _, name = delivery.destination.partition(":")
    if kind == "mail":
        _send_mail(delivery, name)
    else:
        _publish(delivery, name)


def _send_mail(delivery: Delivery, name: str) -> None:
    mail = MAILS[name](delivery.event)
    if mail is None:
        raise NothingToDeliver("There is nobody to write to any more.")
    mail.extra_headers["X-Event-Id"] = str(delivery.event.event_id)
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        refused = all(500 <= code < 600 for code, _ in error.recipients.values())
        raise PublishError("The mail server refused the recipient.", permanent=refused) from error
    except (smtplib.SMTPException, AnymailError, OSError) as error:
        raise PublishError(f"The mail could not be sent: {type(error).__name__}.") from error


def _publish(delivery: Delivery, name: str) -> None:
    connector = connectors.active().get(name)
    if connector is None:
        raise PublishError(f"EVENT_CONNECTOR names no {name} any more.", permanent=True)
    run = delivery.event.run
    if run is not None:
        # The secret lives from its publication on, however long that took; not once the run is over.
        expires_at = timezone.now() + settings.WEBHOOK_SECRET_EXPIRY
        if not ProvisioningRun.objects.open().filter(id=run.id).update(expires_at=expires_at):
            raise NothingToDeliver("The provisioning run is over.")
    connector.publish(message(delivery.event))


def _held(delivery: Delivery) -> QuerySet[Delivery]:
    """The row, unless the lease has ended and somebody else has it now."""
    return Delivery.objects.filter(id=delivery.id, lease=delivery.lease, state=Delivery.State.PENDING)


def _finish(delivery: Delivery, state: Delivery.State, error: str = "") -> None:
    _held(delivery).update(state=state, lease=None, last_error=error[:500], finished_on=timezone.now())


def backoff(attempts: int) -> timedelta:
    """How long to wait after the `attempts`-th failure: doubling up to EVENT_BACKOFF_MAX, half of it at random."""
    ceiling = min(settings.EVENT_BACKOFF_BASE * 2 ** min(attempts - 1, 30), settings.EVENT_BACKOFF_MAX)
    return ceiling * random.uniform(0.5, 1)


def replay(deliveries: QuerySet[Delivery]) -> int:
    """Put dead, cancelled or delivered ones back into the queue, with fresh attempts and the same event id."""
    return deliveries.exclude(state=Delivery.State.PENDING).update(
        state=Delivery.State.PENDING, attempts=0, next_attempt_on=timezone.now(), lease=None, finished_on=None
    )


def cancel(deliveries: QuerySet[Delivery]) -> int:
    """Take pending or dead ones out of the queue."""
    return deliveries.filter(state__in=(Delivery.State.PENDING, Delivery.State.DEAD)).update(
        state=Delivery.State.CANCELLED, lease=None, finished_on=timezone.now()
    )
