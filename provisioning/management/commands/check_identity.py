"""`manage.py check_identity`: do our credentials hold, and what would a set-up do? Nothing is changed."""

import uuid

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rest_framework.exceptions import APIException

from identity import providers
from provisioning.identity_setup import plan


class Command(BaseCommand):
    help = "Test an identity provider's credentials; with --tenant also print what a set-up would do, without doing it."

    def add_arguments(self, parser):
        parser.add_argument("provider", nargs="?", default="", help="(IDENTITY_PROVIDER)")
        parser.add_argument("--tenant", type=uuid.UUID)

    def handle(self, *, provider, tenant, **options):
        name = provider or settings.IDENTITY_PROVIDER
        if not name:
            raise CommandError(f"Name a provider, or set IDENTITY_PROVIDER: {', '.join(providers.known())}.")
        try:
            providers.get(name).check_credentials()
            self.stdout.write(f"{name}: reached, and our credentials are accepted")
            if tenant is not None:
                for what, state in plan(tenant_id=tenant, provider=name):
                    self.stdout.write(f"  {state:14}{what}")
        except APIException as error:
            raise CommandError(str(error.detail)) from error
