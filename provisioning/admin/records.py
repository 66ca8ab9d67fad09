"""Runs, identity set-ups, and the outbox: events and their deliveries."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import OuterRef, Subquery
from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.decorators import display

from config import audit
from config.admin import PartInline, RecordAdmin, breakable, link_to, pretty
from config.errors import Conflict
from config.list_filters import KnownValuesFilter
from identity import permissions as codes
from identity.operations import OperatingAdmin, may, operation, question_of_chosen
from leads.models import Lead
from provisioning import connectors
from provisioning.delivery import cancel, replay
from provisioning.events import INTERNAL, ON_BUS
from provisioning.mails import MAILS
from provisioning.models import Delivery, Event, FailedAttempt, IdentitySetup, IdentityStep, ProvisioningRun
from tenants.models import Tenant

MOST_AT_ONCE = 500
RUN_COLOURS = {
    ProvisioningRun.State.OPEN: "warning",
    ProvisioningRun.State.SUCCEEDED: "success",
    ProvisioningRun.State.FAILED: "danger",
}
DELIVERY_COLOURS = {
    Delivery.State.PENDING: "warning",
    Delivery.State.DELIVERED: "success",
    Delivery.State.DEAD: "danger",
    Delivery.State.CANCELLED: "default",
}


class TierFilter(KnownValuesFilter):
    title = _("tier")
    parameter_name = "tier"

    def values(self):
        return ["BASIC", "STANDARD", "PREMIUM"]


class EventTypeFilter(KnownValuesFilter):
    title = _("type")
    parameter_name = "type"

    def values(self):
        return sorted(ON_BUS | INTERNAL)


class DestinationFilter(KnownValuesFilter):
    title = _("destination")
    parameter_name = "destination"

    def values(self):
        return [f"bus:{name}" for name in connectors.active()] + [f"mail:{name}" for name in sorted(MAILS)]


@admin.register(ProvisioningRun)
class ProvisioningRunAdmin(RecordAdmin):
    list_display = ("tenant", "kind", "state_badge", "tier", "isolation", "created_on", "expires_at", "reason")
    list_filter = ("state", "kind", TierFilter)
    list_select_related = ("tenant",)
    search_fields = ("tenant__name", "tenant__key")
    exclude = ("secret", "former_secret", "context", "subscription")
    readonly_fields = ("pretty_subscription",)
    ordering = ("-created_on",)

    @display(description=_("state"), ordering="state", label=RUN_COLOURS)
    def state_badge(self, run):
        return ProvisioningRun.State(run.state), run.get_state_display()

    @display(description=_("subscription"))
    def pretty_subscription(self, run):
        return pretty(run.subscription)


@display(description=_("next attempt on"), ordering="next_attempt_on")
def next_attempt(self, delivery):
    """None comes after the last."""
    return delivery.next_attempt_on if delivery.state == Delivery.State.PENDING else None


class SubjectAdmin(RecordAdmin):
    """The page of what is about a tenant or a lead, with the way to it."""

    def get_queryset(self, request):
        """With the subject's name; the database looks it up for the rows of the page alone."""
        mine = {"pk": OuterRef("subject")}
        return (
            super()
            .get_queryset(request)
            .annotate(
                tenant_name=Subquery(Tenant.everything.filter(**mine).values("name")),
                lead_mail=Subquery(Lead.everything.filter(**mine).values("email")),
            )
        )

    @display(description=_("subject"))
    def whose(self, row):
        for page, name in (("tenants_tenant", row.tenant_name), ("leads_lead", row.lead_mail)):
            if name is not None:
                return link_to(reverse(f"admin:{page}_change", args=[row.subject]), name)
        return row.subject


class DeliveryInline(PartInline):
    model = Delivery
    fields = ("destination", "state", "attempts", "next_attempt", "last_error")
    next_attempt = next_attempt
    ordering = ("id",)


@admin.register(Event)
class EventAdmin(SubjectAdmin):
    list_display = ("type", "whose", "occurred_on", "event_id")
    list_filter = (EventTypeFilter,)
    search_fields = ("=subject", "=event_id")
    linked_by: ClassVar = {"subject"}
    fields = ("type", "whose", "run", "occurred_on", "event_id", "pretty_payload")
    readonly_fields = ("whose", "pretty_payload")
    ordering = ("-id",)
    inlines = (DeliveryInline,)

    @display(description=_("payload"))
    def pretty_payload(self, event):
        return pretty(event.payload)


class FailedAttemptInline(PartInline):
    model = FailedAttempt
    fields = ("number", "failed_on", "error")
    ordering = ("-id",)
    show_change_link = False


@admin.register(Delivery)
class DeliveryAdmin(OperatingAdmin, SubjectAdmin):
    list_display = (
        "event_type", "whose", "created_on", "where_to", "state_badge", "attempts", "next_attempt", "short_error",
    )  # fmt: skip
    list_filter = ("state", DestinationFilter)
    list_select_related = ("event",)
    search_fields = ("=subject", "=event__event_id")
    fields = (
        "event", "whose", "destination", "state", "attempts", "created_on", "next_attempt", "last_error", "finished_on",
    )  # fmt: skip
    readonly_fields = ("whose", "created_on", "next_attempt")
    next_attempt = next_attempt
    ordering = ("-id",)
    actions = ("replay_selected", "cancel_selected")
    actions_detail = ("replay", "cancel")
    inlines = (FailedAttemptInline,)

    @display(description=_("event"))
    def event_type(self, delivery):
        return breakable(delivery.event.type)

    @display(description=_("destination"), ordering="destination")
    def where_to(self, delivery):
        return breakable(delivery.destination)

    @display(description=_("last error"))
    def short_error(self, delivery):
        return Truncator(delivery.last_error).chars(80)

    @display(description=_("state"), ordering="state", label=DELIVERY_COLOURS)
    def state_badge(self, delivery):
        return Delivery.State(delivery.state), delivery.get_state_display()

    @operation(
        _("Replay"), codes=(codes.PROVISION_TENANT,), icon="replay",
        when=lambda delivery: delivery.state != Delivery.State.PENDING,
        asks=_("It is delivered once more, under the same event id."),
    )  # fmt: skip
    def replay(self, request, delivery):
        if not replay(Delivery.objects.filter(id=delivery.id), actor=request.user.pk):
            raise Conflict(_("%s: this is not possible now.") % _("Replay"))
        return _("The delivery will be tried again.")

    @operation(
        _("Cancel delivery"), codes=(codes.PROVISION_TENANT,), icon="cancel", destroys=True,
        when=lambda delivery: delivery.state in (Delivery.State.PENDING, Delivery.State.DEAD),
        asks=_("It is not delivered any more, unless it is replayed."),
    )  # fmt: skip
    def cancel(self, request, delivery):
        if not cancel(Delivery.objects.filter(id=delivery.id), actor=request.user.pk):
            raise Conflict(_("%s: this is not possible now.") % _("Cancel delivery"))
        return _("The delivery is cancelled.")

    @admin.action(description=_("Replay the selected deliveries"), permissions=["operate"])
    def replay_selected(self, request, queryset):
        count = queryset.count()
        asks = ngettext(
            "%d delivery is delivered once more, unless it still waits.",
            "%d deliveries are delivered once more, unless they still wait.", count,
        )  # fmt: skip
        title = _("Replay the selected deliveries")
        asked = question_of_chosen(self, request, title=title, asks=asks % count, destroys=False)
        if asked is None:
            done = self._recorded(request, queryset, replay)
            told = ngettext("%d delivery will be tried again.", "%d deliveries will be tried again.", done)
            self.message_user(request, told % done)
        return asked

    @admin.action(description=_("Cancel the selected deliveries"), permissions=["operate"])
    def cancel_selected(self, request, queryset):
        count = queryset.count()
        asks = ngettext(
            "%d delivery is not delivered any more, unless it is replayed or was delivered before.",
            "%d deliveries are not delivered any more, unless they are replayed or were delivered before.", count,
        )  # fmt: skip
        title = _("Cancel the selected deliveries")
        asked = question_of_chosen(self, request, title=title, asks=asks % count, destroys=True)
        if asked is None:
            done = self._recorded(request, queryset, cancel)
            told = ngettext("%d delivery was cancelled.", "%d deliveries were cancelled.", done)
            self.message_user(request, told % done)
        return asked

    def _recorded(self, request, queryset, act) -> int:
        """`act` on the deliveries; each that it changed is in the audit log, of the first MOST_AT_ONCE."""
        chosen = queryset.select_for_update(of=("self",))[:MOST_AT_ONCE]
        found = [(each, audit.snapshot(each)) for each in chosen]
        done = act(queryset, actor=request.user.pk)
        for each, before in found:
            after = audit.snapshot(each)
            if after != before:
                audit.record(request, each, what=act.__name__, before=before, after=after)
        return done

    def has_operate_permission(self, request, obj=None):
        return may(request.user, codes.PROVISION_TENANT)


class IdentityStepInline(PartInline):
    model = IdentityStep
    fields = ("name", "what", "outcome", "reason", "attempts", "done_on")
    ordering = ("id",)
    show_change_link = False


@admin.register(IdentitySetup)
class IdentitySetupAdmin(RecordAdmin):
    list_display = ("tenant", "provider", "tier", "auth_id", "attempts", "last_error", "created_on", "finished_on")
    list_filter = (TierFilter,)
    list_select_related = ("tenant",)
    search_fields = ("tenant__name", "tenant__key")
    exclude = ("memory",)
    ordering = ("-created_on",)
    inlines = (IdentityStepInline,)
