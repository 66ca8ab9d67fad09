"""`manage.py issue_token`: an access token for a service, printed once."""

import uuid
from datetime import timedelta

from django.core.management.base import BaseCommand, CommandError

from config.arguments import whole_number
from identity.permissions import ALL_CODES
from identity.tokens import mint


class Command(BaseCommand):
    help = "Print a bearer token for a service."

    def add_arguments(self, parser):
        parser.add_argument("--permissions", nargs="+", default=[], help='permission codes, or "all"')
        parser.add_argument("--days", type=whole_number(1, 3650), default=30, help="how long the token lives (30)")
        parser.add_argument("--id", type=uuid.UUID, default=None, help="the actor for the audit columns (random)")

    def handle(self, *, permissions, days, id, **options):
        codes = {code for text in permissions for code in text.split(",") if code}
        if codes == {"all"}:
            codes = set(ALL_CODES)
        if unknown := codes - ALL_CODES:
            raise CommandError(f"Unknown permission codes: {', '.join(sorted(unknown))}.")
        self.stdout.write(mint(subject=id or uuid.uuid4(), permissions=sorted(codes), lifetime=timedelta(days=days)))
