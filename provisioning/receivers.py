"""From the signals of the rooms below to events: each receiver writes one, in the transaction of the signal."""

from django.dispatch import receiver

from billing import signals as billing_signals
from leads import signals as lead_signals
from provisioning import events
from provisioning.messages import (
    credit_note_payload,
    invoice_payload,
    invoice_payloads,
    lead_payload,
    subscription_payload,
    subscription_payloads,
    tenant_payload,
)
from tenants import signals as tenant_signals


@receiver(lead_signals.lead_created)
def lead_created(lead, **_):
    events.record(events.LEAD_CREATED, subject=lead.id, payload=lead_payload(lead), mails=["validate_lead"])


@receiver(lead_signals.lead_link_requested)
def lead_link_requested(lead, **_):
    events.record(events.LEAD_LINK_REQUESTED, subject=lead.id, payload={}, mails=["sign_up_link"])


@receiver(lead_signals.lead_already_registered)
def lead_already_registered(lead, **_):
    events.record(events.LEAD_ALREADY_REGISTERED, subject=lead.id, payload={}, mails=["already_registered"])


@receiver(lead_signals.lead_verified)
def lead_verified(lead, **_):
    events.record(events.LEAD_VERIFIED, subject=lead.id, payload=lead_payload(lead), actor=lead.id)


@receiver(tenant_signals.tenant_created)
def tenant_created(tenant, contacts, actor, **_):
    events.record(events.TENANT_CREATED, subject=tenant.id, payload=tenant_payload(tenant, contacts), actor=actor)


@receiver(tenant_signals.tenants_deleted)
def tenants_deleted(tenant_ids, actor, **_):
    events.record_all(events.TENANT_DELETED, payloads=[(id, {}) for id in tenant_ids], actor=actor)


@receiver(tenant_signals.tenants_restored)
def tenants_restored(tenant_ids, actor, **_):
    events.record_all(events.TENANT_RESTORED, payloads=[(id, {}) for id in tenant_ids], actor=actor)


@receiver(tenant_signals.tenant_provisioned)
def tenant_provisioned(tenant, app_plane_url, actor, **_):
    events.record(
        events.TENANT_PROVISIONING_SUCCESS,
        subject=tenant.id,
        payload={**tenant_payload(tenant), "appPlaneUrl": app_plane_url},
        actor=actor,
        mails=["tenant_welcome"],
    )


@receiver(tenant_signals.tenant_provisioning_failed)
def tenant_provisioning_failed(tenant, reason, actor, **_):
    payload = {**tenant_payload(tenant), "reason": reason}
    events.record(events.TENANT_PROVISIONING_FAILURE, subject=tenant.id, payload=payload, actor=actor)


@receiver(tenant_signals.tenant_suspended)
def tenant_suspended(tenant, reason, actor, **_):
    payload = {**tenant_payload(tenant), "reason": reason}
    events.record(events.TENANT_SUSPENDED, subject=tenant.id, payload=payload, actor=actor)


@receiver(tenant_signals.tenant_resumed)
def tenant_resumed(tenant, actor, **_):
    events.record(events.TENANT_RESUMED, subject=tenant.id, payload=tenant_payload(tenant), actor=actor)


@receiver(tenant_signals.tenant_deprovisioned)
def tenant_deprovisioned(tenant, actor, **_):
    events.record(events.TENANT_DEPROVISIONED, subject=tenant.id, payload=tenant_payload(tenant), actor=actor)


@receiver(tenant_signals.tenant_deprovisioning_failed)
def tenant_deprovisioning_failed(tenant, reason, actor, **_):
    payload = {**tenant_payload(tenant), "reason": reason}
    events.record(events.TENANT_DEPROVISIONING_FAILURE, subject=tenant.id, payload=payload, actor=actor)


@receiver(billing_signals.invoices_issued)
def invoices_issued(invoices, actor, **_):
    events.record_all(events.INVOICE_ISSUED, payloads=invoice_payloads(invoices), actor=actor, mails=["invoice"])


@receiver(billing_signals.invoice_paid)
def invoice_paid(invoice, actor, **_):
    events.record(events.INVOICE_PAID, subject=invoice.tenant_id, payload=invoice_payload(invoice), actor=actor)


@receiver(billing_signals.invoice_credited)
def invoice_credited(credit_note, actor, **_):
    events.record(
        events.INVOICE_CREDITED,
        subject=credit_note.invoice.tenant_id,
        payload=credit_note_payload(credit_note),
        actor=actor,
        mails=["credit_note"],
    )


@receiver(billing_signals.invoices_overdue)
def invoices_overdue(invoices, actor, **_):
    events.record_all(events.INVOICE_OVERDUE, payloads=invoice_payloads(invoices), actor=actor)


@receiver(billing_signals.reminders_due)
def reminders_due(invoices, actor, **_):
    payloads = [(invoice.tenant_id, {"invoice": {"id": str(invoice.id)}}) for invoice in invoices]
    events.record_all(events.INVOICE_REMINDER, payloads=payloads, actor=actor, mails=["invoice_reminder"])


@receiver(billing_signals.subscriptions_changed)
def subscriptions_changed(subscriptions, actor, **_):
    events.record_all(events.SUBSCRIPTION_CHANGED, payloads=subscription_payloads(subscriptions), actor=actor)


@receiver(billing_signals.subscription_ending)
def subscription_ending(subscription, actor, **_):
    _of_subscription(events.SUBSCRIPTION_ENDING, subscription, actor, mails=["subscription_ending"])


@receiver(billing_signals.subscription_ended)
def subscription_ended(subscription, actor, **_):
    _of_subscription(events.SUBSCRIPTION_ENDED, subscription, actor)


def _of_subscription(type, subscription, actor, mails=()):
    payload = subscription_payload(subscription)
    events.record(type, subject=subscription.tenant_id, payload=payload, actor=actor, mails=mails)
