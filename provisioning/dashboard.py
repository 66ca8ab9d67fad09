"""The dashboard at /admin/: what the service's tables add up to. Four statements, and none for a minute then.

Leads and tenants come from a union of counts and from the durations' own, the money from `billing.summary`.
"""

import datetime
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

from django.core.cache import caches
from django.db.models import (
    CharField,
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Value,
)
from django.db.models.expressions import Window
from django.db.models.functions import Cast, Coalesce, RowNumber, TruncDate
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from billing import texts
from billing.models import Invoice, Tier
from billing.money import figure, shown
from billing.summary import summary
from leads.models import Lead
from provisioning.charts import Plot, columns, shares
from provisioning.models import Delivery, ProvisioningRun
from provisioning.stages import Stage, at_stage
from provisioning.tiers import NONE, present_tier
from tenants.models import Tenant, TenantStatus

PERIODS = (7, 30, 90, 365)
"""What may be chosen, in days."""
PERIOD = 30
STALE = 3
"""How many days a lead may take to prove its address before somebody should look."""
KEPT = 60
"""How long the sums are kept, in seconds."""
MONTHS = 12
STATUS_KINDS = {
    TenantStatus.ACTIVE: "good", TenantStatus.PROVISIONFAILED: "bad", TenantStatus.PROVISIONING: "busy",
    TenantStatus.DEPROVISIONING: "busy",
}  # fmt: skip


def callback(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What unfold calls for the index: the context with what the user may see."""
    wanted = request.GET.get("days", "")
    days = int(wanted) if wanted in map(str, PERIODS) else PERIOD
    sees = request.user.has_perm
    context |= {"title": _("Dashboard"), "days": days, "periods": PERIODS}
    if sees("tenants.view_tenant") and sees("leads.view_lead"):
        context |= customers(_kept(str(days), lambda: gather(days)), days)
    if sees("billing.view_invoice"):
        context["money"] = money(_kept("money", lambda: summary(months=MONTHS)))
    return context


def _kept(name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `make` gives, or gave less than KEPT seconds ago."""
    found = caches["sums"].get_or_set(f"dashboard:{name}", make, KEPT)
    return found or {}


def gather(days: int) -> dict[str, Any]:
    """The numbers of the last `days` days, today's among them, in two statements. Days are whole, as in the lists."""
    today = timezone.localdate()
    since = _begin(today - timedelta(days=days - 1))
    cohort = Lead.objects.filter(created_on__gte=since)
    tenants = Tenant.objects.filter(lead__created_on__gte=since, lead__deleted=False)
    day, status = Cast(TruncDate("created_on"), CharField()), Cast("status", CharField())
    stale = Lead.objects.filter(created_on__lt=_begin(today - timedelta(days=STALE - 1)))
    counted = [
        _count("unverified", cohort.filter(is_validated=False), by=day),
        _count("verified", cohort.filter(is_validated=True), by=day),
        _count("tenant", tenants, by=status),
        _count("status", Tenant.objects.all(), by=status),
        _count("tier", Tenant.objects.all(), by=Coalesce(present_tier(), Value(""))),
        _count("dead", Delivery.objects.filter(state=Delivery.State.DEAD)),
        _count("overdue", Invoice.objects.overdue()),
        _count("stale", at_stage(stale, Stage.SIGNED_UP)),
    ]
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for kind, key, count in counted[0].union(*counted[1:], all=True):
        found[kind][key] = count
    return {"counts": dict(found), "durations": durations(since), "today": today}


def _begin(day: datetime.date) -> datetime.datetime:
    return timezone.make_aware(datetime.datetime.combine(day, datetime.time.min))


def _count(kind: str, rows: QuerySet, by: Any = None) -> QuerySet:
    """The rows' number as (kind, key, count), for each value of `by` or, without, for all of them."""
    key = Value("", CharField()) if by is None else by
    named = rows.order_by().annotate(counted=Value(kind, CharField()), apart=key)
    return named.values("counted", "apart").annotate(count=Count("pk")).values_list("counted", "apart", "count")


def durations(since: datetime.datetime) -> dict[str, timedelta]:
    """From the sign-up, or the tenant's creation, to ACTIVE: median and 90th percentile of those ACTIVE since then.

    By rank, as SQLite has no percentiles.
    """
    built = ProvisioningRun.objects.filter(
        state=ProvisioningRun.State.SUCCEEDED, kind=ProvisioningRun.Kind.PROVISION, finished_on__gte=since
    )
    began = Coalesce("tenant__lead__created_on", "tenant__created_on")
    took = ExpressionWrapper(F("finished_on") - began, output_field=DurationField())
    earlier = ProvisioningRun.objects.filter(
        tenant=OuterRef("tenant"), state=ProvisioningRun.State.SUCCEEDED, kind=ProvisioningRun.Kind.PROVISION,
        created_on__lt=OuterRef("created_on"),
    )  # fmt: skip
    ranked = (
        built.filter(~Exists(earlier))
        .annotate(took=took)
        .annotate(rank=Window(RowNumber(), order_by="took"), of=Window(Count("pk")))
        .filter(Q(rank=(F("of") + 1) / 2) | Q(rank=(F("of") * 9 + 9) / 10))
        .order_by("rank")
        .values_list("rank", "of", "took")
    )
    by_rank = {rank: (of, took) for rank, of, took in ranked}
    if not by_rank:
        return {}
    of = next(iter(by_rank.values()))[0]
    return {"median": by_rank[(of + 1) // 2][1], "p90": by_rank[(of * 9 + 9) // 10][1]}


def customers(found: dict[str, Any], days: int) -> dict[str, Any]:
    """What the page shows of leads and tenants."""
    counts, today = found["counts"], found["today"]

    def number(kind: str, status: TenantStatus | None = None) -> int:
        of = counts.get(kind, {})
        return sum(of.values()) if status is None else of.get(str(status.value), 0)

    leads, tenants = reverse("admin:leads_lead_changelist"), reverse("admin:tenants_tenant_changelist")
    since = f"{leads}?created_on_from={today - timedelta(days=days - 1)}"
    steps = [
        (_("Leads"), number("unverified") + number("verified"), "step", since),
        (_("Verified"), number("verified"), "step", f"{since}&is_validated__exact=1"),
        (_("Tenants"), number("tenant"), "step", f"{since}&stage={Stage.TENANT}"),
        (_("Active"), number("tenant", TenantStatus.ACTIVE), "good", f"{since}&stage={Stage.ACTIVE}"),
    ]
    by_day = Counter(counts.get("unverified", {})) + Counter(counts.get("verified", {}))
    tiers = counts.get("tier", {})
    return {
        "attention": _attention(number, today),
        "funnel": shares(steps),
        "statuses": shares([
            (status.label, number("status", status), STATUS_KINDS.get(status, "step"),
             f"{tenants}?status__exact={status.value}")
            for status in TenantStatus
        ]),
        "tiers": shares([
            *((tier.label, tiers.get(tier.value, 0), "step", f"{tenants}?tier={tier.value}") for tier in Tier),
            (_("none yet"), tiers.get("", 0), "step", f"{tenants}?tier={NONE}"),
        ]),
        "durations": {name: _spoken(took) for name, took in found["durations"].items()},
        "signups": _signups(by_day, today, days),
    }  # fmt: skip


def _attention(number, today: datetime.date) -> list[dict[str, Any]]:
    """What needs a person now, each with the list that shows it."""
    deliveries, invoices = (
        reverse("admin:provisioning_delivery_changelist"),
        reverse("admin:billing_invoice_changelist"),
    )
    leads, tenants = reverse("admin:leads_lead_changelist"), reverse("admin:tenants_tenant_changelist")
    stale = f"{leads}?stage={Stage.SIGNED_UP}&created_on_to={today - timedelta(days=STALE)}"
    unverified = _("Leads unverified for %d days") % STALE
    failed = TenantStatus.PROVISIONFAILED
    return [
        {"label": label, "count": count, "url": url}
        for label, count, url in (
            (_("Failed provisionings"), number("status", failed), f"{tenants}?status__exact={failed.value}"),
            (_("Dead deliveries"), number("dead"), f"{deliveries}?state__exact={Delivery.State.DEAD.value}"),
            (_("Overdue invoices"), number("overdue"), f"{invoices}?overdue=yes"),
            (unverified, number("stale"), stale),
        )
    ]


def _signups(by_day: dict[str, int], today: datetime.date, days: int) -> Plot:
    """A bar a day; of more than 30 days one a week, of more than 90 one a month."""

    def span(day: datetime.date) -> Any:
        return (day.year, day.month) if days > 90 else (today - day).days // 7 if days > 30 else day

    groups = []
    for _span, grouped in groupby((today - timedelta(days=each) for each in range(days - 1, -1, -1)), key=span):
        of = list(grouped)
        count = sum(by_day.get(day.isoformat(), 0) for day in of)
        named = " – ".join(dict.fromkeys(texts.day(day) for day in (of[0], of[-1])))
        groups.append((_month(of[0]) if days > 90 else _day(of[0]), [("step", count, f"{named}: {count}")]))
    return columns(groups, numbered=True, every=max(1, len(groups) // 5))


def _day(day: datetime.date) -> str:
    # Translators: a day of the year as short as it can be, in the form of Django's filter "date".
    return date_format(day, _("M j"))


def _month(day: datetime.date) -> str:
    # Translators: a month as short as it can be, in the form of Django's filter "date".
    return date_format(day, _("M Y"))


def money(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What the page shows of each currency."""
    result = []
    labels = {"issued": _("issued"), "paid": _("paid"), "overdue": _("overdue"), "mrr": _("recurring")}
    for each in found["currencies"]:
        currency = each["currency_code"]
        groups, rows = [], []
        for month in each["months"]:
            first = datetime.date.fromisoformat(f"{month['month']}-01")
            amounts = {kind: figure(month[kind], currency) for kind in labels}
            named = date_format(first, "YEAR_MONTH_FORMAT")
            bars = [
                (kind, float(month[kind]), f"{named}, {labels[kind]}: {amounts[kind]} {currency}") for kind in labels
            ]
            groups.append((_month(first), bars))
            rows.append((_month(first), list(amounts.values())))
        highest = max((month[kind] for month in each["months"] for kind in labels), default=Decimal(0))
        result.append(
            {
                "currency": currency,
                "mrr": shown(each["months"][-1]["mrr"], currency),
                "open": shown(each["open"], currency),
                "overdue": shown(each["overdue"], currency),
                "plot": columns(groups, top=shown(highest, currency), every=3),
                "kinds": labels,
                "months": rows,
            }
        )
    return result


def _spoken(took: timedelta) -> str:
    """A duration in its two largest units."""
    seconds = int(took.total_seconds())
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    if days:
        return _("%(days)d d %(hours)d h") % {"days": days, "hours": hours}
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": seconds % 60}
