"""The timeline of a tenant or a lead: what happened, when, by whom, with what answer; read from the rows that say so.

Nothing is written for it: runs, events, deliveries with their failed attempts and past outcomes, callbacks and refusals
are kept as they happened. Apps above add what they know to SOURCES when they start.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models.functions import Coalesce

from provisioning.models import Delivery, Event, FailedAttempt, IdentityStep, PastOutcome, ProvisioningRun
from tenants.models import Tenant

Entry = dict[str, Any]
Subjects = Sequence[uuid.UUID]


def subjects_of(tenant: Tenant) -> Subjects:
    """The ids that a tenant's story is told under: its lead is part of it."""
    return [tenant.id] + ([tenant.lead_id] if tenant.lead_id else [])


def timeline_of(subjects: Subjects, *, limit: int, offset: int = 0) -> list[Entry]:
    """`limit` entries after the newest `offset`, the newest first. One statement a source, however long the story."""
    wanted = offset + limit
    entries = [each for source in SOURCES for each in source(subjects, wanted)]
    entries.sort(key=lambda each: each["time"], reverse=True)
    return entries[offset:wanted]


def entry(*, time: datetime, kind: str, name: str, **values: Any) -> Entry:
    return {
        "time": time, "kind": kind, "name": name,
        "outcome": None, "reason": None, "actor": None, "attempts": None, "app_plane_url": None, **values,
    }  # fmt: skip


def _runs(subjects: Subjects, limit: int) -> Iterable[Entry]:
    for run in ProvisioningRun.objects.filter(tenant__in=subjects).order_by("-created_on")[:limit]:
        name = ProvisioningRun.Kind(run.kind).word
        yield entry(time=run.created_on, kind="run", name=name, outcome="requested", actor=run.created_by)
        if run.finished_on is not None:
            outcome = ProvisioningRun.State(run.state).word
            yield entry(time=run.finished_on, kind="run", name=name, outcome=outcome, reason=run.reason or None)


def _events(subjects: Subjects, limit: int) -> Iterable[Entry]:
    for event in Event.objects.filter(subject__in=subjects).order_by("-id")[:limit]:
        yield entry(
            time=event.occurred_on,
            kind="event",
            name=event.type,
            reason=event.payload.get("reason"),
            actor=event.actor,
            app_plane_url=event.payload.get("appPlaneUrl") or None,
        )


def _deliveries(subjects: Subjects, limit: int) -> Iterable[Entry]:
    told = Delivery.objects.filter(subject__in=subjects).annotate(told_on=Coalesce("finished_on", "created_on"))
    for delivery in told.order_by("-told_on")[:limit]:
        yield entry(
            time=delivery.told_on,
            **_destination(delivery),
            outcome=Delivery.State(delivery.state).word,
            reason=delivery.last_error or None,
            actor=delivery.cancelled_by,
            attempts=delivery.attempts,
        )


def _failed_attempts(subjects: Subjects, limit: int) -> Iterable[Entry]:
    failed = FailedAttempt.objects.filter(delivery__subject__in=subjects).select_related("delivery")
    for attempt in failed.order_by("-id")[:limit]:
        yield entry(
            time=attempt.failed_on,
            **_destination(attempt.delivery),
            outcome="failed",
            reason=attempt.error,
            attempts=attempt.number,
        )


def _past_outcomes(subjects: Subjects, limit: int) -> Iterable[Entry]:
    past = PastOutcome.objects.filter(delivery__subject__in=subjects).select_related("delivery")
    for each in past.order_by("-happened_on", "-id")[:limit]:
        yield entry(
            time=each.happened_on,
            **_destination(each.delivery),
            outcome=each.outcome,
            reason=each.reason or None,
            actor=each.actor,
            attempts=each.attempts,
        )


def _destination(delivery: Delivery) -> dict[str, str]:
    kind, _, name = delivery.destination.partition(":")
    return {"kind": "mail" if kind == "mail" else "publication", "name": name}


def _identity_steps(subjects: Subjects, limit: int) -> Iterable[Entry]:
    steps = IdentityStep.objects.filter(setup__tenant__in=subjects).select_related("setup").order_by("-done_on", "-id")
    for step in steps[:limit]:
        yield entry(
            time=step.done_on,
            kind="identity",
            name=f"{step.setup.provider}: {step.name}",
            outcome=step.outcome,
            reason=step.reason or None,
            actor=step.setup.created_by,
            attempts=step.attempts,
        )


SOURCES: list[Callable[[Subjects, int], Iterable[Entry]]] = [
    _runs,
    _events,
    _deliveries,
    _failed_attempts,
    _past_outcomes,
    _identity_steps,
]
