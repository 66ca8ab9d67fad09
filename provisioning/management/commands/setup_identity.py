"""`manage.py setup_identity`: what POST /manage/users does, by hand."""

import uuid

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rest_framework.exceptions import APIException

from provisioning.identity_setup import set_up_identity


class Command(BaseCommand):
    help = "Set up the identity provider of a tenant that is being provisioned, or ACTIVE; prints the authId."

    def add_arguments(self, parser):
        parser.add_argument("tenant", type=uuid.UUID)
        parser.add_argument("--provider", default="", help="for a tenant that has none of its own yet")

    def handle(self, *, tenant, provider, **options):
        try:
            self.stdout.write(set_up_identity(tenant_id=tenant, provider=provider, actor=settings.SYSTEM_USER_ID))
        except APIException as error:
            raise CommandError(str(error.detail)) from error
