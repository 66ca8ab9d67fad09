"""The front of a tenant's page: what it is and has, as it is now, and its events with where they went."""

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from billing.models.subscriptions import LIVE
from config.admin import BackOfficeAdmin, badge, link, once
from config.language import second
from provisioning.admin.records import DELIVERY_COLOURS, RUN_COLOURS
from provisioning.models import Delivery, Event, ProvisioningRun
from tenants.admin import TENANT_COLOURS
from tenants.models import TenantStatus

OVERVIEW = ("status_now", "tier", "plan", "contact", "lead_page", "newest", "run")
EVENTS = 20
"""How many events its page shows of a tenant; the list of events has the rest."""


class WithOverview(BackOfficeAdmin):
    """The page of a tenant, whose form is behind the second tab."""

    def get_readonly_fields(self, request, obj=None):
        return (*super().get_readonly_fields(request, obj), *OVERVIEW, "events")

    def get_fieldsets(self, request, obj=None):
        (_title, form), *others = super().get_fieldsets(request, obj)
        told = [(_("Events"), {"fields": ("events",), "classes": ["tab"]})]
        return [
            (_("Overview"), {"fields": OVERVIEW, "classes": ["tab"]}),
            (_("Details"), {**form, "classes": ["tab"]}),
            *(told if request.user.has_perm("provisioning.view_event") else []),
            *others,
        ]

    @display(description=_("status"))
    def status_now(self, tenant):
        return badge(tenant.get_status_display(), TENANT_COLOURS[TenantStatus(tenant.status)])

    @display(description=_("plan"))
    @once
    def plan(self, tenant):
        taken = tenant.subscriptions(manager="objects").filter(status__in=LIVE).select_related("plan").first()
        return taken and link(taken, taken.plan.name)

    @display(description=_("primary contact"))
    @once
    def contact(self, tenant):
        found = tenant.primary_contact
        return found and link(found)

    @display(description=_("lead"))
    @once
    def lead_page(self, tenant):
        return tenant.lead and link(tenant.lead)

    @display(description=_("last event"))
    def newest(self, tenant):
        return next((_dated(link(event, event.type), event.occurred_on) for event in self._events(tenant)), None)

    @display(description=_("provisioning run"))
    @once
    def run(self, tenant):
        run = tenant.runs.order_by("-created_on").first()
        if run is None:
            return None
        state = badge(run.get_state_display(), RUN_COLOURS[ProvisioningRun.State(run.state)])
        return format_html("{} {}", _dated(link(run, run.get_kind_display()), run.created_on), state)

    @display(description=_("events"))
    @once
    def events(self, tenant):
        shown = [
            (event, second(event.occurred_on), [
                (each, badge(each.get_state_display(), DELIVERY_COLOURS[Delivery.State(each.state)]))
                for each in event.deliveries.all()
            ])
            for event in self._events(tenant)
        ]  # fmt: skip
        every = f"{reverse('admin:provisioning_event_changelist')}?subject={tenant.pk}"
        return render_to_string("admin/events.html", {"events": shown, "every": every})

    @once
    def _events(self, tenant):
        return list(Event.objects.filter(subject=tenant.pk).order_by("-id").prefetch_related("deliveries")[:EVENTS])


def _dated(what, moment):
    return format_html("{}, {}", what, second(moment))
