"""`manage.py reset_two_factor NAME`: forget the app and the recovery codes of somebody who has lost both."""

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django_otp.plugins.otp_totp.models import TOTPDevice

from identity.models import RecoveryDevice, User


class Command(BaseCommand):
    help = "Forget the authenticator app of a user, who can then log in without and enrol another."

    def add_arguments(self, parser):
        parser.add_argument("username")

    def handle(self, *, username, **options):
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"There is no user {username}.")
        with transaction.atomic():
            TOTPDevice.objects.filter(user=user).delete()
            RecoveryDevice.objects.filter(user=user).delete()
        self.stdout.write(f"{username} has no second factor any more.")
