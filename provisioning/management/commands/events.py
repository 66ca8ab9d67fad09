"""`manage.py events tail`: what happens, a line each, as it happens."""

import time

from django.core.management.base import BaseCommand

from provisioning.models import Delivery, Event


class Command(BaseCommand):
    help = "Print events as they are written: time, type, subject, and where each of its deliveries is."

    def add_arguments(self, parser):
        parser.add_argument("action", choices=["tail"])
        parser.add_argument("--lines", type=int, default=10, help="how many of the past to begin with (10)")
        parser.add_argument("--no-follow", action="store_true", help="stop after those")

    def handle(self, *, lines, no_follow, **options):
        past = list(Event.objects.order_by("-id").prefetch_related("deliveries")[:lines])
        last = past[0].id if past else 0
        for event in reversed(past):
            self.show(event)
        while not no_follow:
            time.sleep(1)
            for event in Event.objects.filter(id__gt=last).order_by("id").prefetch_related("deliveries"):
                self.show(event)
                last = event.id

    def show(self, event: Event) -> None:
        deliveries = " ".join(
            f"{each.destination}={Delivery.State(each.state).word}" for each in event.deliveries.all()
        )
        self.stdout.write(f"{event.occurred_on:%Y-%m-%dT%H:%M:%SZ} {event.type} {event.subject} {deliveries}")
        self.stdout.flush()
