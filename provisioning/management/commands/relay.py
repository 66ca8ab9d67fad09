"""`manage.py relay`: deliver events and mails until SIGTERM or SIGINT."""

import signal
import threading

from django.conf import settings
from django.core.management.base import BaseCommand

from provisioning import metrics, relay


class Command(BaseCommand):
    help = "Deliver events and mails. Run as many as you like on PostgreSQL; SIGTERM stops one cleanly."

    def add_arguments(self, parser):
        parser.add_argument("--once", action="store_true", help="stop when nothing is due any more")

    def handle(self, *, once, **options):
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        if settings.RELAY_METRICS_PORT:
            metrics.serve(settings.RELAY_METRICS_PORT)
        self.stdout.write("relay: started")
        attempts = relay.run(stop, once=once)
        self.stdout.write(f"relay: stopped after {attempts} attempts")
