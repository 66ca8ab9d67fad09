"""`manage.py replay_events`: send events again, with the id they had."""

import uuid
from functools import partial

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from provisioning.delivery import replay
from provisioning.models import Delivery


class Command(BaseCommand):
    help = "Put dead deliveries, or all of the named events or tenants, back into the queue."

    def add_arguments(self, parser):
        parser.add_argument("--dead", action="store_true", help="every delivery that was given up")
        parser.add_argument("--event", type=uuid.UUID, action="append", default=[], help="every delivery of this event")
        parser.add_argument("--subject", type=uuid.UUID, help="the dead deliveries of this tenant or lead")
        parser.add_argument("--destination", help="only to this destination, such as bus:http")

    def handle(self, *, dead, event, subject, destination, **options):
        if not (dead or event or subject):
            raise CommandError("Say what to replay: --dead, --event or --subject.")
        deliveries = Delivery.objects.all()
        if event:
            deliveries = deliveries.filter(event__event_id__in=event)
        else:
            deliveries = deliveries.filter(state=Delivery.State.DEAD)
        if subject:
            deliveries = deliveries.filter(subject=subject)
        if destination:
            deliveries = deliveries.filter(destination=destination)
        progress = partial(tqdm, unit="batch", disable=None)
        replayed = replay(deliveries, actor=settings.SYSTEM_USER_ID, progress=progress)
        self.stdout.write(f"{replayed} deliveries will be tried again.")
