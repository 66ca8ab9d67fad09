"""A tenant's timeline: what happened, when, by whom, with what answer; read from the rows that say so.

Nothing is written for it: events, deliveries, callbacks and refusals are kept as they happened. The tenant's lead is
part of its story.
"""

from typing import Any

from provisioning.models import Delivery, Event, ProvisioningRun
from tenants.models import Tenant


def timeline_of(tenant: Tenant, *, limit: int, offset: int = 0) -> list[dict[str, Any]]:
    """`limit` entries after the newest `offset`, the newest first. Four statements, however long the story is."""
    subjects = [tenant.id] + ([tenant.lead_id] if tenant.lead_id else [])
    wanted = offset + limit
    entries = [
        *_events(subjects, wanted),
        *_deliveries(subjects, wanted),
        *_callbacks(tenant, wanted),
        *_refusals(tenant, wanted),
    ]
    entries.sort(key=lambda entry: entry["time"], reverse=True)
    return entries[offset:wanted]


def _entry(**values: Any) -> dict[str, Any]:
    return {"outcome": None, "reason": None, "actor": None, "attempts": None, "app_plane_url": None, **values}


def _events(subjects: list, limit: int):
    for event in Event.objects.filter(subject__in=subjects).order_by("-id")[:limit]:
        yield _entry(
            time=event.occurred_on,
            kind="event",
            name=event.type,
            reason=event.payload.get("reason"),
            actor=event.actor,
            app_plane_url=event.payload.get("appPlaneUrl") or None,
        )


def _deliveries(subjects: list, limit: int):
    for delivery in Delivery.objects.filter(subject__in=subjects).order_by("-id")[:limit]:
        kind, _, name = delivery.destination.partition(":")
        yield _entry(
            time=delivery.finished_on or delivery.created_on,
            kind="mail" if kind == "mail" else "publication",
            name=name,
            outcome=delivery.get_state_display(),
            reason=delivery.last_error or None,
            attempts=delivery.attempts,
        )


def _callbacks(tenant: Tenant, limit: int):
    calls = ProvisioningRun.received_calls.rel.related_model.objects  # of webhooks, which stands above
    for call in calls.filter(run__tenant=tenant).select_related("run").order_by("-received_on")[:limit]:
        success = call.body.get("data", {}).get("status") == 1
        yield _entry(
            time=call.received_on,
            kind="callback",
            name=call.run.get_kind_display(),
            outcome="accepted" if call.answered_on else "not acted on",
            reason="success" if success else "failure",
        )


def _refusals(tenant: Tenant, limit: int):
    for call in tenant.refused_calls.order_by("-minute")[:limit]:
        yield _entry(time=call.minute, kind="refused", name=call.reason, outcome="401")
