import json

from django.contrib import admin, messages
from django.template.loader import render_to_string
from django.utils.html import format_html
from rest_framework.exceptions import APIException

from leads.admin import LeadAdmin
from leads.models import Lead
from provisioning.delivery import cancel, replay
from provisioning.identity_setup import set_up_identity
from provisioning.models import Delivery, Event, IdentitySetup, IdentityStep, ProvisioningRun
from provisioning.timeline import Subjects, subjects_of, timeline_of
from tenants.admin import TenantAdmin
from tenants.models import Tenant

TIMELINE_LENGTH = 100
AT_ONCE = 10
"""How many tenants' identities one action sets up: the page waits for each."""


class RecordAdmin(admin.ModelAdmin):
    """Pages to look at: what the service wrote is not for editing."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(ProvisioningRun)
class ProvisioningRunAdmin(RecordAdmin):
    list_display = ("tenant", "kind", "state", "tier", "isolation", "created_on", "expires_at", "reason")
    list_filter = ("state", "kind", "tier")
    list_select_related = ("tenant",)
    exclude = ("secret", "former_secret", "context")
    ordering = ("-created_on",)


@admin.register(Event)
class EventAdmin(RecordAdmin):
    list_display = ("type", "subject", "occurred_on", "event_id")
    list_filter = ("type",)
    search_fields = ("=subject", "=event_id")
    exclude = ("payload",)
    readonly_fields = ("pretty_payload",)
    ordering = ("-id",)

    @admin.display(description="payload")
    def pretty_payload(self, event):
        return format_html("<pre>{}</pre>", json.dumps(event.payload, indent=2, ensure_ascii=False))


@admin.register(Delivery)
class DeliveryAdmin(RecordAdmin):
    list_display = ("event", "destination", "state", "attempts", "next_attempt_on", "last_error")
    list_filter = ("state", "destination")
    list_select_related = ("event",)
    search_fields = ("=subject", "=event__event_id")
    exclude = ("lease",)
    ordering = ("-id",)
    actions = ("replay_selected", "cancel_selected")

    @admin.action(description="Replay the selected deliveries", permissions=["operate"])
    def replay_selected(self, request, queryset):
        self.message_user(request, f"{replay(queryset)} deliveries will be tried again.")

    @admin.action(description="Cancel the selected deliveries", permissions=["operate"])
    def cancel_selected(self, request, queryset):
        self.message_user(request, f"{cancel(queryset)} deliveries were cancelled.")

    def has_operate_permission(self, request):
        return request.user.has_perm("provisioning.change_delivery")


class WithTimeline(admin.ModelAdmin):
    """A page that ends with the timeline of what it shows."""

    def get_readonly_fields(self, request, obj=None):
        return (*super().get_readonly_fields(request, obj), *(("timeline",) if obj else ()))

    @admin.display(description="timeline")
    def timeline(self, obj):
        entries = timeline_of(self.subjects(obj), limit=TIMELINE_LENGTH)
        return render_to_string("admin/timeline.html", {"entries": entries})

    def subjects(self, obj) -> Subjects:
        raise NotImplementedError


class IdentityStepInline(admin.TabularInline):
    model = IdentityStep
    fields = ("name", "what", "outcome", "reason", "attempts", "done_on")
    ordering = ("id",)
    extra = 0

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


@admin.register(IdentitySetup)
class IdentitySetupAdmin(RecordAdmin):
    list_display = ("tenant", "provider", "tier", "auth_id", "attempts", "last_error", "created_on", "finished_on")
    list_filter = ("provider", "tier")
    list_select_related = ("tenant",)
    exclude = ("memory",)
    ordering = ("-created_on",)
    inlines = (IdentityStepInline,)


# The pages of tenants and leads are those of their rooms; what provisioning knows and can do is added from up here.
admin.site.unregister((Tenant, Lead))


@admin.register(Tenant)
class ProvisionedTenantAdmin(WithTimeline, TenantAdmin):
    actions = ("set_up_identity",)

    @admin.action(description="Set up identity", permissions=["provision"])
    def set_up_identity(self, request, queryset):
        tenants = list(queryset[: AT_ONCE + 1])
        if len(tenants) > AT_ONCE:
            self.message_user(request, f"Choose at most {AT_ONCE} tenants.", messages.ERROR)
            return
        for tenant in tenants:
            try:
                auth_id = set_up_identity(tenant_id=tenant.id, actor=request.user.pk)
            except APIException as error:
                self.message_user(request, f"{tenant}: {error.detail}", messages.ERROR)
            else:
                self.message_user(request, f"{tenant}: the identity is set up, its first user is {auth_id}.")

    def has_provision_permission(self, request):
        return request.user.has_perm("tenants.provision_tenant")

    def subjects(self, tenant):
        return subjects_of(tenant)


@admin.register(Lead)
class LeadWithTimeline(WithTimeline, LeadAdmin):
    def subjects(self, lead):
        return [lead.id, *lead.tenants.values_list("id", flat=True)]
