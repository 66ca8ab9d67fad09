"""The pages of tenants and leads, which are those of their rooms, with what provisioning knows and can do besides."""

from django.contrib import admin, messages
from django.db.models import OuterRef, Subquery
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException
from unfold.decorators import display

from billing.models import Invoice, Subscription
from config.admin import BackOfficeAdmin, PartInline
from leads.admin import LeadAdmin
from leads.models import Lead
from provisioning.identity_setup import set_up_identity
from provisioning.models import Event, ProvisioningRun
from provisioning.timeline import Subjects, subjects_of, timeline_of
from tenants.admin import TenantAdmin
from tenants.models import Contact, Tenant

TIMELINE_LENGTH = 100
AT_ONCE = 10
"""How many tenants' identities one action sets up: the page waits for each."""

admin.site.unregister((Tenant, Lead))


class WithTimeline(BackOfficeAdmin):
    """A page with the timeline of what it shows behind a tab."""

    def get_readonly_fields(self, request, obj=None):
        return (*super().get_readonly_fields(request, obj), *(("timeline",) if obj else ()))

    def get_fields(self, request, obj=None):
        return [name for name in super().get_fields(request, obj) if name != "timeline"]

    def get_fieldsets(self, request, obj=None):
        shown = super().get_fieldsets(request, obj)
        return [*shown, (_("Timeline"), {"fields": ("timeline",), "classes": ["tab"]})] if obj else shown

    @display(description=_("timeline"))
    def timeline(self, obj):
        entries = timeline_of(self.subjects(obj), limit=TIMELINE_LENGTH)
        return render_to_string("admin/timeline.html", {"entries": entries})

    def subjects(self, obj) -> Subjects:
        raise NotImplementedError


class SubscriptionInline(PartInline):
    model = Subscription
    fields = ("plan", "price", "currency_code", "status", "period_start", "period_end")


class InvoiceInline(PartInline):
    model = Invoice
    fields = ("number", "amount", "currency_code", "due_date", "status")
    ordering = ("-issued_on",)


@admin.register(Tenant)
class ProvisionedTenantAdmin(WithTimeline, TenantAdmin):
    list_display = ("name", "key", "status_badge", "tier", "primary_mail", "last_event", "created_on")
    inlines = (*TenantAdmin.inlines, SubscriptionInline, InvoiceInline)
    actions = ("set_up_identity", "restore_selected")

    def get_queryset(self, request):
        """With what the list shows of other tables; the database looks it up for the rows of the page alone."""
        mine = {"tenant": OuterRef("pk")}
        runs = ProvisioningRun.objects.filter(**mine, kind=ProvisioningRun.Kind.PROVISION).order_by("-created_on")
        contacts = Contact.objects.filter(**mine).order_by("-is_primary", "created_on", "id")
        events = Event.objects.filter(subject=OuterRef("pk")).order_by("-id")
        return (
            super()
            .get_queryset(request)
            .annotate(
                run_tier=Subquery(runs.values("tier")[:1]),
                mail_of_primary=Subquery(contacts.values("email")[:1]),
                newest_event=Subquery(events.values("type")[:1]),
            )
        )

    @display(description=_("tier"))
    def tier(self, tenant):
        return tenant.run_tier

    @display(description=_("primary contact"))
    def primary_mail(self, tenant):
        return tenant.mail_of_primary

    @display(description=_("last event"))
    def last_event(self, tenant):
        return tenant.newest_event

    @admin.action(description=_("Set up identity"), permissions=["provision"])
    def set_up_identity(self, request, queryset):
        tenants = list(queryset[: AT_ONCE + 1])
        if len(tenants) > AT_ONCE:
            self.message_user(request, _("Choose at most %d tenants.") % AT_ONCE, messages.ERROR)
            return
        for tenant in tenants:
            try:
                auth_id = set_up_identity(tenant_id=tenant.id, actor=request.user.pk)
            except APIException as error:
                self.message_user(request, f"{tenant}: {error.detail}", messages.ERROR)
            else:
                told = _("%(tenant)s: the identity is set up, its first user is %(user)s.")
                self.message_user(request, told % {"tenant": tenant, "user": auth_id})

    def has_provision_permission(self, request, obj=None):
        return request.user.has_perm("tenants.provision_tenant")

    def subjects(self, tenant):
        return subjects_of(tenant)


@admin.register(Lead)
class LeadWithTimeline(WithTimeline, LeadAdmin):
    def subjects(self, lead):
        return [lead.id, *lead.tenants.values_list("id", flat=True)]
