"""`manage.py reconcile`: find what is stuck, and give it a way forward."""

from django.core.management.base import BaseCommand
from django.utils import timezone
from tqdm import tqdm

from config.pruning import delete_in_batches
from identity import tokens
from identity.models import IdempotentRequest
from leads.models import LeadKey
from provisioning.models import Delivery, ProvisioningRun
from provisioning.offboarding import begin_after_grace
from provisioning.requests import fail_overdue_runs, fail_undelivered_runs


class Command(BaseCommand):
    help = "Find and repair what is stuck: overdue runs, dead events, ended leases, expired keys. Prints a table."

    def add_arguments(self, parser):
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")

    def handle(self, *, dry_run, **options):
        now = timezone.now()
        undelivered = ProvisioningRun.objects.undelivered()
        unasked = list(undelivered.values_list("tenant_id", flat=True))
        expired = ProvisioningRun.objects.overdue().exclude(id__in=undelivered)
        overdue = list(expired.values_list("tenant_id", flat=True))
        keys = LeadKey.objects.filter(expires_at__lt=now)
        pending = Delivery.objects.filter(state=Delivery.State.PENDING)
        dead = Delivery.objects.filter(state=Delivery.State.DEAD, event__run__state=ProvisioningRun.State.OPEN)
        dead = dead.exclude(event__run__in=undelivered)
        rows = [
            ("deprovisionings after grace", ProvisioningRun.objects.to_begin().count(),
             "begun, or ended where the tenant is deleted"),
            ("runs whose event is dead", len(unasked), "failed: provision is the retry"),
            ("runs past their secret", len(overdue), "failed: provision is the retry"),
            ("expired lead keys", keys.count(), "deleted"),
            ("deliveries of ended leases", pending.filter(lease__isnull=False, next_attempt_on__lt=now).count(),
             "nothing to do: the next relay takes them"),
            ("other dead events of open runs", dead.values("event").distinct().count(),
             "yours to do: replay_events --dead"),
        ]  # fmt: skip
        if not dry_run:
            begin_after_grace()
            unasked = list(tqdm(fail_undelivered_runs(), total=len(unasked), unit="run", disable=None))
            overdue = list(tqdm(fail_overdue_runs(), total=len(overdue), unit="run", disable=None))
            delete_in_batches(keys)
            IdempotentRequest.prune()
            tokens.prune()
        for what, count, remedy in rows:
            self.stdout.write(f"{what:30}{count:8}  {remedy if count else '-'}")
        for tenant_id in overdue:
            self.stdout.write(f"tenant {tenant_id}: the secret expired without a callback")
        for tenant_id in (*unasked, *dead.values_list("subject", flat=True).distinct()[:100]):
            self.stdout.write(f"tenant {tenant_id}: its event is dead")
