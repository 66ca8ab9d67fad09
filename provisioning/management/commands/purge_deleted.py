"""`manage.py purge_deleted`: erase the personal data of tenants and leads that are gone long enough."""

from collections.abc import Callable
from datetime import timedelta

from django.core.management.base import BaseCommand
from django.db.models import QuerySet
from tqdm import tqdm

from config.arguments import whole_number
from provisioning.offboarding import abandoned_longer_than, deleted_longer_than, erase, erase_lead


class Command(BaseCommand):
    help = (
        "Erase the personal data of tenants deleted more than --older-than days ago, and of leads without a tenant that"
        " were deleted, or left unverified, as long ago; invoices stay."
    )

    def add_arguments(self, parser):
        parser.add_argument("--older-than", type=whole_number(0, 36_500), required=True, metavar="DAYS")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be erased")

    def handle(self, *, older_than, dry_run, **options):
        age = timedelta(days=older_than)

        def erased(due: QuerySet, erase: Callable[..., bool], unit: str) -> int:
            done = 0
            for id in tqdm(due.values_list("id", flat=True), unit=unit, disable=None):
                if dry_run or erase(id, older_than=age):
                    self.stdout.write(f"{unit} {id}")
                    done += 1
            return done

        tenants = erased(deleted_longer_than(age), erase, "tenant")
        leads = erased(abandoned_longer_than(age), erase_lead, "lead")
        self.stdout.write(f"{tenants} tenants and {leads} leads {'would be' if dry_run else 'were'} erased.")
