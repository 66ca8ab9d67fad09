"""What the log of received calls adds to a timeline."""

from collections.abc import Iterable

from provisioning.timeline import Entry, Subjects, entry
from webhooks.models import ReceivedCall, RefusedCall


def calls(subjects: Subjects, limit: int) -> Iterable[Entry]:
    """The calls whose signature held, with what they reported and what they were answered."""
    received = ReceivedCall.objects.filter(run__tenant__in=subjects).order_by("-received_on")
    for call in received[:limit]:
        answer = None if call.answer is None else str(call.answer)
        yield entry(time=call.received_on, kind="callback", name=call.path, outcome=answer, reason=call.reported)


def refusals(subjects: Subjects, limit: int) -> Iterable[Entry]:
    """That calls in the tenant's name were refused, at most once a minute and reason."""
    for call in RefusedCall.objects.filter(tenant__in=subjects).order_by("-refused_on")[:limit]:
        yield entry(time=call.refused_on, kind="refused", name=call.reason, outcome="401")
