"""`manage.py export_tenant`: everything that is kept about a tenant, as a ZIP."""

import uuid
from functools import partial
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from provisioning.offboarding import export
from tenants.models import Tenant


class Command(BaseCommand):
    help = "Write a ZIP of JSON with everything that is kept about a tenant, deleted or not."

    def add_arguments(self, parser):
        parser.add_argument("tenant", type=uuid.UUID)
        parser.add_argument("--output", type=Path, help="the file (<key>.zip)")

    def handle(self, *, tenant, output, **options):
        found = Tenant.everything.filter(id=tenant).first()
        if found is None:
            raise CommandError("There is no such tenant.")
        path = output or Path(f"{found.key}.zip")
        try:
            path.write_bytes(export(found, progress=partial(tqdm, unit="document", disable=None)))
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
        self.stdout.write(str(path))
