"""`manage.py relay`: deliver events and mails until SIGTERM or SIGINT."""

import signal
import threading

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

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
            self.tell_metrics(settings.RELAY_METRICS_PORT)
        self.stdout.write("relay: started")
        attempts = relay.run(stop, once=once)
        self.stdout.write(f"relay: stopped after {attempts} attempts")

    def tell_metrics(self, port: int) -> None:
        try:
            metrics.serve(port)
        except OSError as error:
            raise CommandError(f"RELAY_METRICS_PORT {port} cannot be had: {error.strerror}.") from error
