"""`manage.py expire_subscriptions`: end what has run out, and tell of what soon will."""

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from billing import expiry


class Command(BaseCommand):
    help = "End subscriptions whose end has come, and write to those that end soon. Run it daily; each is done once."

    def handle(self, **options):
        now, actor = timezone.now(), settings.SYSTEM_USER_ID
        self.stdout.write(f"{expiry.expire(now=now, actor=actor)} subscriptions ended.")
        self.stdout.write(f"{expiry.tell_ending(now=now, actor=actor)} end soon and were written to.")
