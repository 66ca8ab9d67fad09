"""`manage.py mark_overdue`: mark what is overdue, remind of it, and suspend who does not pay."""

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from billing import dunning


class Command(BaseCommand):
    help = "Mark overdue invoices, send the reminders that are due, suspend debtors. Run it daily; each is done once."

    def handle(self, **options):
        now, actor = timezone.now(), settings.SYSTEM_USER_ID
        self.stdout.write(f"{dunning.mark_overdue(now=now, actor=actor)} invoices became overdue.")
        self.stdout.write(f"{dunning.send_reminders(now=now, actor=actor)} reminders were sent.")
        self.stdout.write(f"{dunning.suspend_debtors(now=now, actor=actor)} tenants were suspended.")
