"""Where leads stand on their way to a tenant."""

from django.db import models
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from tenants.models import Tenant, TenantStatus


class Stage(models.TextChoices):
    SIGNED_UP = "signed_up", _("signed up")
    VERIFIED = "verified", _("verified")
    TENANT = "tenant", _("tenant")
    ACTIVE = "active", _("active")


def at_stage(leads: models.QuerySet, stage: str | None) -> models.QuerySet:
    """Those of `leads` that stand there, or all for what is no stage. Who is at ACTIVE is at TENANT too."""
    tenants = Tenant.objects.filter(lead=OuterRef("pk"))
    match stage:
        case Stage.SIGNED_UP:
            return leads.filter(~Exists(tenants), is_validated=False)
        case Stage.VERIFIED:
            return leads.filter(~Exists(tenants), is_validated=True)
        case Stage.TENANT:
            return leads.filter(Exists(tenants))
        case Stage.ACTIVE:
            return leads.filter(Exists(tenants.filter(status=TenantStatus.ACTIVE)))
    return leads
