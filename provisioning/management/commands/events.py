"""`manage.py events tail`: what happens, a line each, as it happens."""

import time

from django.core.management.base import BaseCommand
from django.db.models import Q

from config.arguments import whole_number
from provisioning.models import Delivery, Event

RECENT = 1000
"""How many of the newest ids are looked at when it begins, for those that are missing."""
PATIENCE = 60
"""Seconds that an event is waited for whose transaction commits after that of a later one."""


class Command(BaseCommand):
    help = "Print events as they are written: time, type, subject, and where each of its deliveries is."

    def add_arguments(self, parser):
        parser.add_argument("action", choices=["tail"])
        parser.add_argument(
            "--lines", type=whole_number(0, 1_000_000), default=10, help="how many of the past to begin with (10)"
        )
        parser.add_argument("--no-follow", action="store_true", help="stop after those")

    def handle(self, *, lines, no_follow, **options):
        events = Event.objects.prefetch_related("deliveries")
        recent = Event.objects.order_by("-id").values_list("id", flat=True)[:RECENT]
        last = max(recent, default=0)
        # Ids are given out before the commit: one that is missing may be an event yet, or was rolled back.
        missing = dict.fromkeys({*range(max(last - RECENT, 0) + 1, last)} - {*recent}, time.monotonic() + PATIENCE)
        for event in reversed(list(events.filter(id__lte=last).order_by("-id")[:lines])):
            self.show(event)
            missing.pop(event.id, None)
        while not no_follow:
            time.sleep(1)
            now = time.monotonic()
            missing = {id: until for id, until in missing.items() if until > now}
            for event in events.filter(Q(id__gt=last) | Q(id__in=list(missing))).order_by("id"):
                self.show(event)
                missing.pop(event.id, None)
                missing |= dict.fromkeys(range(last + 1, event.id), now + PATIENCE)
                last = max(last, event.id)

    def show(self, event: Event) -> None:
        deliveries = " ".join(
            f"{each.destination}={Delivery.State(each.state).word}" for each in event.deliveries.all()
        )
        self.stdout.write(f"{event.occurred_on:%Y-%m-%dT%H:%M:%SZ} {event.type} {event.subject} {deliveries}")
        self.stdout.flush()
