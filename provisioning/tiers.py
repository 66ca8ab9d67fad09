"""A tenant's tier: that of its live subscription's plan, else the one it was last provisioned with."""

from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce

from billing.models import Subscription
from billing.models.subscriptions import LIVE
from provisioning.models import ProvisioningRun

NONE = "none"
"""What the lists call having none."""


def present_tier() -> Coalesce:
    """As a column of tenants: at most two looks into indexes for each row, NULL for a tenant that has neither."""
    mine = {"tenant": OuterRef("pk")}
    taken = Subscription.objects.filter(**mine, status__in=LIVE).order_by()  # there is one at most
    built = ProvisioningRun.objects.filter(**mine, kind=ProvisioningRun.Kind.PROVISION).order_by("-created_on")
    return Coalesce(Subquery(taken.values("plan__tier")[:1]), Subquery(built.values("tier")[:1]))
