"""Runs, identity set-ups, and the outbox: events and their deliveries."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from config.admin import KnownValuesFilter, PartInline, RecordAdmin, pretty
from provisioning import connectors
from provisioning.delivery import cancel, replay
from provisioning.events import INTERNAL, ON_BUS
from provisioning.mails import MAILS
from provisioning.models import Delivery, Event, FailedAttempt, IdentitySetup, IdentityStep, ProvisioningRun

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


class DeliveryInline(PartInline):
    model = Delivery
    fields = ("destination", "state", "attempts", "next_attempt_on", "last_error")
    ordering = ("id",)


@admin.register(Event)
class EventAdmin(RecordAdmin):
    list_display = ("type", "subject", "occurred_on", "event_id")
    list_filter = (EventTypeFilter,)
    search_fields = ("=subject", "=event_id")
    exclude = ("payload",)
    readonly_fields = ("pretty_payload",)
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
class DeliveryAdmin(RecordAdmin):
    list_display = ("event_type", "destination", "state_badge", "attempts", "next_attempt_on", "last_error")
    list_filter = ("state", DestinationFilter)
    list_select_related = ("event",)
    search_fields = ("=subject", "=event__event_id")
    exclude = ("lease",)
    ordering = ("-id",)
    actions = ("replay_selected", "cancel_selected")
    inlines = (FailedAttemptInline,)

    @display(description=_("event"))
    def event_type(self, delivery):
        return delivery.event.type

    @display(description=_("state"), ordering="state", label=DELIVERY_COLOURS)
    def state_badge(self, delivery):
        return Delivery.State(delivery.state), delivery.get_state_display()

    @admin.action(description=_("Replay the selected deliveries"), permissions=["operate"])
    def replay_selected(self, request, queryset):
        self.message_user(request, _("%d deliveries will be tried again.") % replay(queryset))

    @admin.action(description=_("Cancel the selected deliveries"), permissions=["operate"])
    def cancel_selected(self, request, queryset):
        self.message_user(request, _("%d deliveries were cancelled.") % cancel(queryset))

    def has_operate_permission(self, request, obj=None):
        return request.user.has_perm("provisioning.change_delivery")


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
