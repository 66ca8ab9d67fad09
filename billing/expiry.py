"""The end of subscriptions: a mail some days ahead, and the status when the day has come."""

import datetime
import uuid

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from billing import renewals
from billing.models import Subscription, SubscriptionStatus
from billing.periods import local_date, midnight
from billing.signals import subscription_ending
from billing.subscriptions import end, locked


def tell_ending(*, now: datetime.datetime, actor: uuid.UUID | None) -> int:
    """Tell of the active subscriptions that end within SUBSCRIPTION_NOTICE_DAYS, once each; how many."""
    first_too_late = local_date(now) + datetime.timedelta(days=settings.SUBSCRIPTION_NOTICE_DAYS + 1)
    ending = _active().filter(end_date__gt=now, end_date__lt=midnight(first_too_late), ending_told_on=None)
    return sum(_act(id, lambda found: found.ending_told_on is None and _tell(found, now, actor)) for id in _ids(ending))


def expire(*, now: datetime.datetime, actor: uuid.UUID | None) -> int:
    """End the active subscriptions whose end has come: CANCELLED where somebody cancelled, else EXPIRED; how many.

    What no run has invoiced of the days before is invoiced first.
    """

    def act(found: Subscription) -> bool:
        if found.end_date is None or found.end_date > now:
            return False
        renewals.bill_until(local_date(found.end_date), found, actor=actor)
        status = SubscriptionStatus.CANCELLED if found.cancel_at_period_end else SubscriptionStatus.EXPIRED
        end(found, status, actor=actor)
        return True

    return sum(_act(id, act) for id in _ids(_active().filter(end_date__lte=now)))


def _active() -> QuerySet[Subscription]:
    return Subscription.objects.filter(status=SubscriptionStatus.ACTIVE)


def _ids(rows: QuerySet[Subscription]) -> list[uuid.UUID]:
    return list(rows.order_by("end_date").values_list("id", flat=True))


@transaction.atomic
def _act(id: uuid.UUID, act) -> bool:
    """`act` on the locked subscription, unless another run was first."""
    found = locked(id)
    return found.status == SubscriptionStatus.ACTIVE and bool(act(found))


def _tell(subscription: Subscription, now: datetime.datetime, actor: uuid.UUID | None) -> bool:
    subscription.ending_told_on = now
    subscription.save(update_fields=["ending_told_on"])
    subscription_ending.send(Subscription, subscription=subscription, actor=actor)
    return True
