"""`manage.py generate_invoices`: invoice the subscription periods that are due."""

import time

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from billing import generation, renewals
from billing.money import shown
from billing.periods import local_date
from config.arguments import day, whole_number
from config.workers import cores

REPORT_EVERY = 10  # seconds between lines where nobody watches


class Command(BaseCommand):
    help = "Invoice what is due; run it daily, as often as you like: a period is invoiced once."

    def add_arguments(self, parser):
        parser.add_argument("--date", type=day, help="what is due by this day, YYYY-MM-DD (today)")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be invoiced")
        parser.add_argument("--pdf", action="store_true", help="make the PDFs too, else whoever needs one first does")
        parser.add_argument(
            "--jobs", type=whole_number(1, 1000), default=cores(), help="processes that share the work (the cores)"
        )

    def handle(self, *, date, dry_run, pdf, jobs, **options):
        today = date or local_date(timezone.now())
        if dry_run:
            for currency, count, total in renewals.forecast(today):
                self.stdout.write(f"{count} invoices would be issued: {shown(total, currency)} net")
            return
        self.begun = self.reported = time.monotonic()
        self.done = 0
        for count in generation.generate(today, pdf=pdf, jobs=jobs, actor=settings.SYSTEM_USER_ID):
            self.done += count
            self.progress()
        self.say(f"{self.done} invoices were issued in {time.monotonic() - self.begun:.1f} s.")

    def progress(self) -> None:
        """A line that rewrites itself on a terminal; elsewhere a line now and then."""
        now = time.monotonic()
        rate = self.done / max(now - self.begun, 0.001)
        if self.stdout.isatty():
            self.stdout.write(f"\r{self.done} invoices, {rate:.0f}/s", ending="")
            self.stdout.flush()
        elif now - self.reported > REPORT_EVERY:
            self.reported = now
            self.stdout.write(f"{self.done} invoices, {rate:.0f}/s")

    def say(self, text: str) -> None:
        self.stdout.write(f"\r{text}\x1b[K" if self.stdout.isatty() else text)
