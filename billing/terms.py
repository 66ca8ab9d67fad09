"""Keeps from when on a subscription came to what: the facts behind the recurring revenue of past months."""

import datetime
from collections.abc import Sequence
from decimal import Decimal

from billing.models import Subscription, SubscriptionTerms

TERMS = ("price", "currency_code", "billing_cycle")


def keep(subscriptions: Sequence[Subscription], *, since: datetime.date | None = None) -> None:
    """Write down the terms of locked subscriptions where they differ from what is written; `since` a day, or since the
    period began. Two statements, and one more for each such day on which terms end.
    """
    present = SubscriptionTerms.objects.filter(until=None)
    rows = present.filter(subscription__in=[each.id for each in subscriptions])
    written = {terms.subscription_id: terms for terms in rows}
    begun: list[SubscriptionTerms] = []
    ended: dict[datetime.date, list[int]] = {}
    for each in subscriptions:
        day, former = since or each.period_start, written.get(each.id)
        values = {name: getattr(each, name) for name in TERMS}
        if day is None or (former is not None and all(getattr(former, name) == values[name] for name in TERMS)):
            continue
        begun.append(SubscriptionTerms(subscription=each, since=day, **values))
        if former is not None:
            ended.setdefault(day, []).append(former.id)
    for day, ids in ended.items():
        present.filter(id__in=ids).update(until=day)
    SubscriptionTerms.objects.bulk_create(begun)


def begin(subscription: Subscription, *, price: Decimal, since: datetime.date) -> None:
    """Write down the first terms of a subscription whose first period was charged at `price`, whatever it is since."""
    values = {name: getattr(subscription, name) for name in TERMS} | {"price": price}
    SubscriptionTerms.objects.create(subscription=subscription, since=since, **values)
