"""The outbox's reading side: claim with a lease, call out, mark after.

A crash at any point repeats a delivery, and never loses it. Deliveries of one subject to one destination keep their
order: a later one is not claimed while an earlier one is pending. The attempt is recorded before, the result after.
"""

import logging
import random
import smtplib
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from anymail.exceptions import AnymailError
from cryptography.fernet import InvalidToken
from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from config.mail import hang_up, send
from provisioning import connectors
from provisioning.connectors.base import PublishError
from provisioning.mails import MAILS
from provisioning.messages import message
from provisioning.models import Delivery, FailedAttempt, PastOutcome, ProvisioningRun

logger = logging.getLogger("tenantry.delivery")
HANGING = timedelta(minutes=10)
"""An attempt that lasts longer is taken to hang: its lease is left to end, and the delivery is attempted again."""
AT_ONCE = 1_000
"""How many deliveries are replayed or cancelled in a transaction."""
Progress = Callable[[Sequence], Iterable]
"""What goes through a sequence, and may show how far it is."""


class NothingToDeliver(Exception):
    """What a delivery was about is over; it is cancelled, with this text."""


# Reads from the index of what is due until it has enough, however much waits, and even where PostgreSQL's statistics
# are from before an outage: LIMIT 1 OFFSET 0 keeps it from joining all that waits with all that waits, and "state + 0"
# from looking for a subject's deliveries in an index of those that are pending, which it may take for an empty one.
CLAIM = """
    WITH due AS (
        SELECT id FROM deliveries AS mine
        WHERE state = %(pending)s AND next_attempt_on <= %(now)s {of_subject}
        AND NOT EXISTS (
            SELECT 1 FROM deliveries AS earlier
            WHERE earlier.subject = mine.subject AND earlier.id < mine.id
            AND earlier.destination = mine.destination AND earlier.state + 0 = %(pending)s
            LIMIT 1 OFFSET 0
        )
        ORDER BY next_attempt_on, id LIMIT %(limit)s {skip_locked}
    )
    UPDATE deliveries SET lease = %(lease)s, attempts = attempts + 1, next_attempt_on = %(lease_ends)s
    WHERE id IN (SELECT id FROM due) RETURNING id
"""


def claim(limit: int, *, subject: uuid.UUID | None = None) -> list[Delivery]:
    """Up to `limit` deliveries that are due, leased to the caller for EVENT_LEASE; of one subject if given.

    One statement picks and leases, so that several processes may claim at once: on PostgreSQL they skip what another
    is just claiming, SQLite has one writer at a time. The ORM would need a transaction of four for it.
    """
    now = timezone.now()
    statement = CLAIM.format(
        of_subject="" if subject is None else "AND subject = %(subject)s",
        skip_locked="FOR UPDATE SKIP LOCKED" if connection.features.has_select_for_update_skip_locked else "",
    )
    parameters = {
        "pending": Delivery.State.PENDING, "limit": limit, "subject": _stored("subject", subject),
        "now": _stored("next_attempt_on", now), "lease": _stored("lease", uuid.uuid4()),
        "lease_ends": _stored("next_attempt_on", now + settings.EVENT_LEASE),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        ids = [id for (id,) in cursor.fetchall()]
    if not ids:
        return []
    return list(Delivery.objects.select_related("event__run").filter(id__in=ids).order_by("id"))


def renew(deliveries: Iterable[Delivery]) -> None:
    """Lease those that are still being attempted for another EVENT_LEASE from now, each as it was claimed."""
    now = timezone.now()
    claimed_after = now - HANGING
    attempted = [each for each in deliveries if each.next_attempt_on - settings.EVENT_LEASE > claimed_after]
    _held(attempted).update(next_attempt_on=now + settings.EVENT_LEASE)


def _stored(column: str, value: object) -> Any:
    """`value` as this database keeps it in a column of a delivery: SQLite knows neither UUIDs nor points in time."""
    return Delivery._meta.get_field(column).get_db_prep_value(value, connection)


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt; `retry_on` is set where the delivery stays pending."""

    delivery: Delivery
    state: Delivery.State
    error: str = ""
    retry_on: datetime | None = None


def deliver(delivery: Delivery) -> None:
    """Make one attempt at a claimed delivery, which none follows at once, and record the outcome."""
    try:
        record([attempt(delivery)])
    finally:
        hang_up()


def attempt(delivery: Delivery) -> Outcome:
    """Call out for a claimed delivery.

    An exception that is not PublishError is a defect and surfaces; the lease then ends by itself.
    """
    if delivery.attempts > settings.EVENT_MAX_ATTEMPTS:  # the last attempt never came to an end
        return Outcome(delivery, Delivery.State.DEAD, delivery.last_error or "The last attempt broke off.")
    try:
        _send(delivery)
    except NothingToDeliver as reason:
        return Outcome(delivery, Delivery.State.CANCELLED, str(reason))
    except PublishError as error:
        if error.permanent or delivery.attempts >= settings.EVENT_MAX_ATTEMPTS:
            logger.error("delivery %s of event %s is dead: %s", delivery.id, delivery.event.event_id, error)
            return Outcome(delivery, Delivery.State.DEAD, str(error))
        logger.warning("delivery %s of event %s will be retried: %s", delivery.id, delivery.event.event_id, error)
        return Outcome(delivery, Delivery.State.PENDING, str(error), timezone.now() + backoff(delivery.attempts))
    return Outcome(delivery, Delivery.State.DELIVERED)


def record(outcomes: Sequence[Outcome]) -> None:
    """Write outcomes down, where the lease is still the one that the attempt was made under.

    The delivered ones, which are most, in one statement; a failure also leaves a row of its own for the timeline. After
    an outage in the middle the same outcomes may be recorded again.
    """
    delivered = [each.delivery for each in outcomes if each.state == Delivery.State.DELIVERED]
    if delivered:
        _finish(delivered, Delivery.State.DELIVERED)
    for each in outcomes:
        if each.state == Delivery.State.CANCELLED:
            _finish([each.delivery], each.state, each.error)
    failed = [each for each in outcomes if each.state in (Delivery.State.PENDING, Delivery.State.DEAD)]
    if failed:
        _record_failures(failed)


@transaction.atomic
def _record_failures(failed: Sequence[Outcome]) -> None:
    """A row for each, but for those whose delivery was erased with its tenant during the attempt."""
    rows = Delivery.objects.select_for_update(no_key=True).filter(id__in=[each.delivery.id for each in failed])
    kept = set(rows.order_by("id").values_list("id", flat=True))
    FailedAttempt.objects.bulk_create(
        FailedAttempt(delivery=each.delivery, number=each.delivery.attempts, error=each.error[:500])
        for each in failed
        if each.delivery.id in kept
    )
    for each in failed:
        if each.retry_on is None:
            _finish([each.delivery], each.state, each.error)
        else:
            _held([each.delivery]).update(lease=None, next_attempt_on=each.retry_on, last_error=each.error[:500])


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
        send(mail)
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
    try:
        content = message(delivery.event)
    except InvalidToken as error:
        raise PublishError("None of ENCRYPTION_KEYS decrypts the run's secret.", permanent=True) from error
    connector.publish(content)


def _held(deliveries: Sequence[Delivery]) -> QuerySet[Delivery]:
    """The rows, but for those whose lease has ended and that somebody else has now."""
    return Delivery.objects.filter(
        id__in=[each.id for each in deliveries],
        lease__in={each.lease for each in deliveries},
        state=Delivery.State.PENDING,
    )


def _finish(deliveries: Sequence[Delivery], state: Delivery.State, error: str = "") -> None:
    _held(deliveries).update(state=state, lease=None, last_error=error[:500], finished_on=timezone.now())


def backoff(attempts: int) -> timedelta:
    """How long to wait after the `attempts`-th failure: doubling up to EVENT_BACKOFF_MAX, half of it at random."""
    ceiling = min(settings.EVENT_BACKOFF_BASE * 2 ** min(attempts - 1, 30), settings.EVENT_BACKOFF_MAX)
    return ceiling * random.uniform(0.5, 1)


def replay(deliveries: QuerySet[Delivery], *, actor: uuid.UUID | None, progress: Progress = iter) -> int:
    """Put dead, cancelled or delivered ones back into the queue, with fresh attempts and the same event id."""
    fresh = {"attempts": 0, "next_attempt_on": timezone.now(), "finished_on": None, "cancelled_by": None}
    ended = deliveries.exclude(state=Delivery.State.PENDING)
    values = {"state": Delivery.State.PENDING, **fresh}
    return _change(ended, values, progress=progress, outcome="replayed", actor=actor)


def cancel(deliveries: QuerySet[Delivery], *, actor: uuid.UUID | None) -> int:
    """Take pending or dead ones out of the queue."""
    waiting = deliveries.filter(state__in=(Delivery.State.PENDING, Delivery.State.DEAD))
    over = {"finished_on": timezone.now(), "cancelled_by": actor}
    return _change(waiting, {"state": Delivery.State.CANCELLED, **over})


def _change(deliveries: QuerySet[Delivery], values: dict[str, Any], *, progress: Progress = iter, **note: Any) -> int:
    """Give deliveries these values, AT_ONCE in a transaction; how many. What had come of them is kept, and the note."""
    ids, changed = list(deliveries.order_by("id").values_list("id", flat=True)), 0
    for start in progress(range(0, len(ids), AT_ONCE)):
        with transaction.atomic():
            rows = deliveries.filter(id__in=ids[start : start + AT_ONCE]).order_by("id")
            batch = list(rows.select_for_update(of=("self",), no_key=True))
            kept = [
                PastOutcome(
                    delivery=each,
                    outcome=Delivery.State(each.state).word,
                    reason=each.last_error,
                    attempts=each.attempts,
                    happened_on=each.finished_on,
                    actor=each.cancelled_by,
                )
                for each in batch
                if each.finished_on is not None
            ]
            kept += [PastOutcome(delivery=each, **note) for each in batch if note]
            PastOutcome.objects.bulk_create(kept)
            Delivery.objects.filter(id__in=[each.id for each in batch]).update(lease=None, **values)
            changed += len(batch)
    return changed
