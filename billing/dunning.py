"""What follows when an invoice is not paid in time: it is marked, reminded of, and at last its tenant is suspended.

Each step finds its invoices by what was not done yet, so that it is done once, whoever runs it and however often.
"""

import datetime
import uuid
from collections.abc import Callable

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from billing.models import Invoice, InvoiceStatus
from billing.models.invoices import InvoiceQuerySet
from billing.periods import local_date
from billing.signals import invoices_overdue, reminders_due
from tenants import lifecycle
from tenants.models import Tenant, TenantStatus

CHUNK = 200


def mark_overdue(*, now: datetime.datetime, actor: uuid.UUID | None) -> int:
    """Mark invoices that are past the day they were due, once each; how many."""

    def mark(invoices: list[Invoice]) -> None:
        _rows(invoices).update(overdue_on=now)
        for invoice in invoices:
            invoice.overdue_on = now
        invoices_overdue.send(Invoice, invoices=invoices, actor=actor)

    return _in_chunks(Invoice.objects.overdue(now).filter(overdue_on=None), mark)


def send_reminders(*, now: datetime.datetime, actor: uuid.UUID | None) -> int:
    """Ask for the reminders that INVOICE_REMINDER_DAYS wants, one mail for each day; how many.

    An invoice that has passed several of those days unseen is reminded of once, as the last of them says.
    """

    def remind(invoices: list[Invoice]) -> None:
        for invoice in invoices:
            invoice.reminders_sent = step
        _rows(invoices).update(reminders_sent=step)
        reminders_due.send(Invoice, invoices=invoices, actor=actor)

    sent, today = 0, local_date(now)
    for step, days in reversed(list(enumerate(settings.INVOICE_REMINDER_DAYS, start=1))):
        due = Invoice.objects.due_before(today - datetime.timedelta(days=days - 1)).filter(reminders_sent__lt=step)
        sent += _in_chunks(due, remind)
    return sent


def suspend_debtors(*, now: datetime.datetime, actor: uuid.UUID | None) -> int:
    """Suspend the ACTIVE tenants with an invoice overdue for more than INVOICE_SUSPEND_AFTER days; how many."""
    owed = _owed_too_long(now)
    debtors = Tenant.objects.filter(status=TenantStatus.ACTIVE, id__in=owed.values("tenant_id"))
    suspended = 0
    for tenant_id in list(debtors.values_list("id", flat=True)):
        with transaction.atomic():
            tenant = lifecycle.locked(tenant_id)
            found = owed.filter(tenant=tenant)  # asked again behind the lock: it may have been paid
            first = found.order_by("due_date", "id").first()
            if tenant.status == TenantStatus.ACTIVE and first is not None:
                found.update(suspended_on=now)
                reason = f"Invoice {first.number} was not paid in time."
                lifecycle.suspend(tenant_id=tenant_id, reason=reason, actor=actor)
                suspended += 1
    return suspended


def _owed_too_long(now: datetime.datetime) -> InvoiceQuerySet:
    """The open invoices that a tenant is suspended for."""
    if not settings.INVOICE_SUSPEND_AFTER:
        return Invoice.objects.none()
    return Invoice.objects.due_before(local_date(now) - datetime.timedelta(days=settings.INVOICE_SUSPEND_AFTER))


def resume_if_settled(tenant_id: uuid.UUID, *, actor: uuid.UUID | None) -> None:
    """Resume a tenant that was suspended for invoices of which none is open any more. Its row must be locked.

    Not so while it would be suspended again, for one that came to be owed too long meanwhile. One that is being
    deprovisioned is left as it is, and the reason kept: should that fail, it is suspended again.
    """
    causes = Invoice.everything.filter(tenant=tenant_id, suspended_on__isnull=False)
    if not causes.exists() or causes.filter(status=InvoiceStatus.PENDING).exists():
        return
    if _owed_too_long(timezone.now()).filter(tenant=tenant_id).exists():
        return
    tenants = Tenant.objects.filter(id=tenant_id)
    if tenants.filter(status=TenantStatus.DEPROVISIONING).exists():
        return
    if tenants.filter(status=TenantStatus.INACTIVE).exists():
        lifecycle.resume(tenant_id=tenant_id, actor=actor)
    forget_suspension(tenant_id)


def forget_suspension(tenant_id: uuid.UUID) -> None:
    """The tenant is no longer suspended for its debts: a later suspension has reasons of its own."""
    Invoice.everything.filter(tenant=tenant_id, suspended_on__isnull=False).update(suspended_on=None)


def _rows(invoices: list[Invoice]) -> QuerySet[Invoice]:
    return Invoice.objects.filter(id__in=[invoice.id for invoice in invoices])


def _in_chunks(due: QuerySet[Invoice], act: Callable[[list[Invoice]], None]) -> int:
    """Let `act` take from `due` by the chunk, a transaction for each, skipping what another process has; how many."""
    done = 0
    while chunk := _chunk(due, act):
        done += chunk
    return done


@transaction.atomic
def _chunk(due: QuerySet[Invoice], act: Callable[[list[Invoice]], None]) -> int:
    rows = due.order_by("due_date", "id").select_related("tenant__address")
    skips = connection.features.has_select_for_update_skip_locked
    rows = rows.select_for_update(of=("self",), no_key=True, skip_locked=skips)
    invoices = list(rows[:CHUNK])
    if invoices:
        act(invoices)
    return len(invoices)
