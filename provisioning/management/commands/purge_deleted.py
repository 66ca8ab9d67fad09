"""`manage.py purge_deleted`: erase the personal data of tenants that were deleted long enough ago."""

from datetime import timedelta

from django.core.management.base import BaseCommand
from tqdm import tqdm

from config.arguments import whole_number
from provisioning.offboarding import deleted_longer_than, erase


class Command(BaseCommand):
    help = "Erase the personal data of tenants deleted more than --older-than days ago; invoices stay."

    def add_arguments(self, parser):
        parser.add_argument("--older-than", type=whole_number(0, 36_500), required=True, metavar="DAYS")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be erased")

    def handle(self, *, older_than, dry_run, **options):
        age, erased = timedelta(days=older_than), 0
        for tenant_id in tqdm(deleted_longer_than(age).values_list("id", flat=True), unit="tenant", disable=None):
            if dry_run or erase(tenant_id, older_than=age):
                self.stdout.write(str(tenant_id))
                erased += 1
        self.stdout.write(f"{erased} tenants {'would be' if dry_run else 'were'} erased.")
