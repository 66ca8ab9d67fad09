"""What /readyz says of the outbox."""

from django.utils import timezone

from provisioning.models import Delivery


def oldest_undelivered_seconds() -> float:
    """The age of the oldest delivery that is still pending, 0 without any. Not a reason to be unready."""
    oldest = Delivery.objects.filter(state=Delivery.State.PENDING).order_by("id").first()
    return 0.0 if oldest is None else round((timezone.now() - oldest.created_on).total_seconds(), 1)
