"""Sign, activate, change and end a subscription. Locks are taken in the order tenant, subscription.

What is given a subscription, or a tenant that must be locked, needs the transaction that locked it.
"""

import datetime
import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound

from billing import invoicing, prepayment, proration, renewals, settlement, terms, texts
from billing.models import Invoice, InvoiceStatus, Plan, Subscription, SubscriptionStatus
from billing.models.subscriptions import LIVE
from billing.money import ZERO, shown
from billing.periods import ONE_DAY, local_date, midnight
from billing.signals import subscription_ended, subscriptions_changed
from billing.totals import Line, coming_to, with_tax
from config.errors import Conflict
from tenants import lifecycle
from tenants.models import Tenant, TenantStatus


def locked(subscription_id: uuid.UUID) -> Subscription:
    """The subscription with its tenant, its row locked until the transaction ends. Raises NotFound.

    Its plan is read behind the lock: joined, it would be the one from before another change, and the row not found.
    """
    rows = Subscription.objects.select_for_update(of=("self",), no_key=True)
    found = rows.select_related("tenant__address", "tenant__lead").filter(id=subscription_id).first()
    if found is None:
        raise NotFound
    return found


@transaction.atomic
def sign(*, tenant: Tenant, plan: Plan, actor: uuid.UUID | None, **values: Any) -> Subscription:
    """A subscription of `tenant` to `plan`, at the price of now unless `values` say another.

    It is active at once for a tenant that is provisioned, else when it will be. Raises Conflict for a tenant that is
    being deprovisioned, and IntegrityError (409) when it has a live subscription.
    """
    return _sign(lifecycle.locked(tenant.id), plan, actor, **values)


def _sign(tenant: Tenant, plan: Plan, actor: uuid.UUID | None, **values: Any) -> Subscription:
    """As `sign`, of a locked tenant."""
    if tenant.status == TenantStatus.DEPROVISIONING:
        raise Conflict(_("The tenant is being deprovisioned."), code="deprovisioning")
    subscription = Subscription(tenant=tenant, tax_rate=settings.BILLING_TAX_RATE, created_by=actor, modified_by=actor)
    subscription.take_terms_of(plan)
    for name, value in values.items():
        setattr(subscription, name, value)
    subscription.save(force_insert=True)
    if tenant.status in (TenantStatus.ACTIVE, TenantStatus.INACTIVE):
        subscription.status = SubscriptionStatus.ACTIVE
        _begin(subscription, subscription.start_date or timezone.now(), actor)
    return subscription


def choose(*, tenant: Tenant, plan: Plan, reference: str, actor: uuid.UUID | None) -> Subscription:
    """The subscription that a tenant is provisioned with: the one that waits, moved to `plan` if need be, or a new one.

    The tenant must be locked. Raises Conflict when its first invoice, of another plan, is out already.
    """
    subscription = live_of(tenant, *LIVE)
    if subscription is None:
        return _sign(tenant, plan, actor, reference=reference)
    if subscription.plan_id != plan.id:
        if subscription.status != SubscriptionStatus.PENDING or prepayment.standing_invoices(subscription).exists():
            raise Conflict(_("The tenant has subscribed to %s already.") % subscription.plan.name, code="plan_chosen")
        subscription.take_terms_of(plan)
    subscription.reference, subscription.modified_by = reference or subscription.reference, actor
    subscription.save()
    return subscription


def first_invoice_to_pay(subscription: Subscription, *, actor: uuid.UUID | None) -> Invoice | None:
    """What has to be paid before a waiting subscription's tenant is provisioned; issued now if none stands.

    A trial, and a plan that is free, have nothing to be paid first.
    """
    standing = prepayment.standing_invoices(subscription)
    if subscription.status == SubscriptionStatus.PENDING and not standing.exists():
        prepayment.ask(subscription, actor=actor)
    return standing.filter(status=InvoiceStatus.PENDING).order_by("issued_on").first()


def activate(subscription: Subscription, *, actor: uuid.UUID | None) -> None:
    """PENDING → ACTIVE, since its tenant is provisioned: no period begins before, nor before a start that was agreed.

    The first is the one that was to be paid before; where none was, it begins after the trial, with its invoice.
    """
    subscription.status, subscription.modified_by = SubscriptionStatus.ACTIVE, actor
    now = timezone.now()
    moment = max(subscription.start_date or now, now)
    asked_first = prepayment.standing_invoices(subscription).first()
    if asked_first is not None:
        prepayment.begin(subscription, asked_first, moment)
    else:
        _begin(subscription, moment, actor)


def _begin(subscription: Subscription, moment: datetime.datetime, actor: uuid.UUID | None) -> None:
    """Let the periods begin at `moment`, after the trial of the plan; where one is due already, with its invoice."""
    first = local_date(moment) + datetime.timedelta(days=subscription.plan.trial_days)
    subscription.start_date, subscription.next_invoice_on, subscription.anchor_day = moment, first, first.day
    if first <= local_date(timezone.now()):
        renewals.bill([subscription], actor=actor, besides=("status", "start_date", "modified_by"))
    else:
        subscription.save()


@transaction.atomic
def change_plan(subscription_id: uuid.UUID, *, plan: Plan, at_once: bool, actor: uuid.UUID | None) -> Subscription:
    """Move to `plan` at the end of the period, or at once with proration.

    At once, the unused days of the period are credited and the same days of the new plan charged: the difference is
    invoiced, or kept as credit for the next invoices. With another cycle the period ends today and a whole one begins.
    The periods before today are invoiced first, so that the change reaches none of their days. Raises NotFound, and
    Conflict for a subscription that ends before the plan could begin, or whose tenant is deleted, for another currency
    at once, and for one while there is credit in the former; at once also while it waits with its first invoice out.
    """
    subscription = locked(subscription_id)
    if subscription.status not in LIVE:
        raise Conflict(_("The subscription has ended."), code="subscription_ended")
    if subscription.tenant.deleted:
        raise Conflict(_("The tenant of the subscription is deleted."), code="tenant_deleted")
    today = local_date(timezone.now())
    if subscription.status == SubscriptionStatus.ACTIVE:
        renewals.bill_until(today, subscription, actor=actor)
    waits = subscription.status == SubscriptionStatus.PENDING and prepayment.standing_invoices(subscription).exists()
    if waits and at_once:
        refusal = _("The first invoice is out: cancel it, or let the plan change after its period.")
        raise Conflict(refusal, code="plan_chosen")
    since, last = max(today, subscription.period_start or today), subscription.ends_on
    running = waits or (subscription.period_end is not None and today < subscription.period_end)
    begins = subscription.period_end or since if running and not at_once else since
    if last is not None and last <= begins:
        raise Conflict(_("The subscription ends before another plan could begin."), code="subscription_ended")
    other_currency = plan.currency_code != subscription.currency_code
    if other_currency and subscription.credit:
        credit = shown(subscription.credit, subscription.currency_code)
        raise Conflict(_("The currency cannot change before the credit of %s is used up.") % credit, code="currency")
    subscription.modified_by = actor
    if running and not at_once:
        subscription.next_plan = plan
        subscription.save()
        return subscription
    if running and other_currency:
        raise Conflict(_("The currency changes only at the end of a period."), code="currency")
    former_cycle, subscription.next_plan = subscription.billing_cycle, None
    subscription.take_terms_of(plan)
    if running:
        _prorate(subscription, former_cycle, since, actor)
        terms.keep([subscription], since=since)
    subscription.save()
    if subscription.status == SubscriptionStatus.ACTIVE:
        subscriptions_changed.send(Subscription, subscriptions=[subscription], actor=actor)
    return subscription


def _prorate(subscription: Subscription, former_cycle: str, since: datetime.date, actor: uuid.UUID | None) -> None:
    """Settle the running period between what stands of what it was charged at and the new terms from `since` on.

    Unused time is given back with the tax it was charged with, and no more of it than stands of the invoices. Where the
    subscription ends before the period, the days until then are settled and the period ends with them. What was charged
    of the days after is kept as credit: the next period of one that goes on after all begins there.

    To the minor unit, whatever changes come after each other: what a price's days from one on come to is their net
    price, cut by one running function, and the tax of that, rounded.
    """
    start, end, currency = subscription.period_start, subscription.period_end, subscription.currency_code
    assert start is not None
    assert end is not None
    last = min(end, subscription.ends_on or end)
    rate, standing = subscription.period_tax_rate, settlement.standing_of_period(subscription, start, end)
    unused = partial(proration.unused, subscription.period_price, currency, start=start, end=end)
    after = min(with_tax(unused(since=last), rate, currency), standing)
    back = min(with_tax(unused(since=since), rate, currency), standing) - after
    give_back = partial(settlement.give_back, subscription, start=start, end=end)
    if subscription.billing_cycle != former_cycle:
        give_back(back)
        subscription.next_invoice_on, subscription.anchor_day = since, since.day
        invoice = renewals.next_invoice(subscription, actor)
        if invoice is not None:
            invoice.period_start = None  # of the period that began this day, an invoice may be out
            invoicing.issue([invoice], actor=actor)
    else:
        subscription.period_end = subscription.next_invoice_on = last
        subscription.period_price = renewals.price_of(subscription, start, last)
        subscription.period_tax_rate = subscription.tax_rate
        net = proration.unused(subscription.period_price, currency, start=start, end=last, since=since)
        charge = with_tax(net, subscription.tax_rate, currency)
        if charge < back:
            give_back(back - charge)
        elif charge > back:
            days = (since, last - ONE_DAY)
            lines = [Line(texts.period(subscription, *days), net, tax_rate=subscription.tax_rate)]
            if back:
                unused_time = Line(texts.unused_time(subscription, *days), ZERO, tax_rate=rate)
                rounding = texts.rounding(subscription)
                lines = coming_to(charge - back, lines, unused_time, rounding=rounding, currency=currency)
            invoice = renewals.draft(subscription, since, last, actor=actor)
            renewals.put_lines(invoice, subscription, lines)
            invoicing.issue([invoice], actor=actor)
    give_back(after)


@transaction.atomic
def amend(subscription_id: uuid.UUID, *, values: Mapping[str, Any], actor: uuid.UUID | None) -> Subscription:
    """What a PATCH does: price and tax rate from the next invoice on, an end, or a cancellation at the period's end.

    Cancelled while PENDING, it ends at once; else the periods that have begun are invoiced first, so that it ends with
    the present one, or before where that is agreed; the agreed end comes back when the cancellation is taken back. An
    end that is set takes the place of both. Raises NotFound, and Conflict for one that has ended.
    """
    subscription = locked(subscription_id)
    if subscription.status not in LIVE:
        raise Conflict(_("The subscription has ended."), code="subscription_ended")
    was_cancelled = subscription.cancel_at_period_end
    if values.get("cancel_at_period_end") and not was_cancelled and subscription.status == SubscriptionStatus.ACTIVE:
        renewals.bill_until(local_date(timezone.now()) + ONE_DAY, subscription, actor=actor)
    former_end = subscription.end_date
    for name, value in values.items():
        setattr(subscription, name, value)
    subscription.modified_by = actor
    if subscription.cancel_at_period_end and subscription.status == SubscriptionStatus.PENDING:
        return end(subscription, SubscriptionStatus.CANCELLED, actor=actor)
    if "end_date" in values:
        subscription.cancel_at_period_end, subscription.agreed_end_date = False, None
    elif subscription.cancel_at_period_end and not was_cancelled:
        last = subscription.period_end or subscription.next_invoice_on
        assert last is not None
        subscription.agreed_end_date, subscription.next_plan = former_end, None
        subscription.end_date = min(midnight(last), former_end or midnight(last))
    elif was_cancelled and not subscription.cancel_at_period_end:
        subscription.end_date, subscription.agreed_end_date = subscription.agreed_end_date, None
    if subscription.end_date != former_end:
        subscription.ending_told_on = None
    subscription.save()
    return subscription


def end(subscription: Subscription, status: SubscriptionStatus, *, actor: uuid.UUID | None) -> Subscription:
    """A locked subscription is CANCELLED or EXPIRED, by now at the latest; nothing is invoiced any more.

    One that waited is not asked any more for what was to be paid first; what was paid of it is staff's to give back.
    """
    now, waited = timezone.now(), subscription.status == SubscriptionStatus.PENDING
    subscription.status, subscription.next_invoice_on, subscription.modified_by = status, None, actor
    subscription.end_date = min(subscription.end_date or now, now)
    subscription.save()
    if waited:
        for id in prepayment.standing_invoices(subscription).filter(paid_amount=0).values_list("id", flat=True):
            settlement.cancel(settlement.locked(id), actor=actor)
    subscription_ended.send(Subscription, subscription=subscription, actor=actor)
    return subscription


def live_of(tenant: Tenant, *statuses: SubscriptionStatus) -> Subscription | None:
    """The subscription of a locked tenant in one of `statuses`, its row locked too."""
    rows = Subscription.objects.select_for_update(of=("self",), no_key=True)
    rows = rows.select_related("tenant__address", "tenant__lead")
    return rows.filter(tenant=tenant, status__in=statuses).first()
