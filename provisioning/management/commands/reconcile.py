"""`manage.py reconcile`: give stuck tenants a way forward."""

from django.core.management.base import BaseCommand

from provisioning.models import ProvisioningRun
from provisioning.requests import fail_overdue_runs


class Command(BaseCommand):
    help = "Mark provisioning runs as failed whose secret has expired, so that they can be retried."

    def add_arguments(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")

    def handle(self, *, dry_run, **options):
        if dry_run:
            tenants = list(ProvisioningRun.objects.overdue().values_list("tenant_id", flat=True))
        else:
            tenants = fail_overdue_runs()
        for tenant_id in tenants:
            self.stdout.write(f"tenant {tenant_id}: the secret expired without a callback")
        self.stdout.write(f"{len(tenants)} runs {'would be' if dry_run else 'were'} marked as failed.")
