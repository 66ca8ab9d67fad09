"""The pages of tenants and leads, which are those of their rooms, with what provisioning knows and can do besides."""

from collections.abc import Mapping
from typing import ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import OuterRef, Subquery
from django.http import HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from billing.columns import day, money
from billing.models import Invoice, Plan, Subscription
from billing.models.subscriptions import LIVE
from config import audit
from config.actors import names_of
from config.admin import BackOfficeAdmin, PartInline, badge, breakable, link, once
from config.downloads import attachment
from config.errors import Conflict
from config.language import second
from identity import permissions as codes
from identity import providers
from identity.operations import OperationForm, operation, restoring
from leads.admin import LeadAdmin
from leads.models import Lead
from leads.verification import request_link
from provisioning import events, offboarding
from provisioning.admin.overview import WithOverview
from provisioning.admin.records import TierFilter
from provisioning.identity_setup import set_up_identity
from provisioning.models import Event
from provisioning.requests import provision_on_plan, request_deprovisioning, rotate_secret
from provisioning.stages import Stage, at_stage
from provisioning.tiers import NONE, present_tier
from provisioning.timeline import Entry, Subjects, subjects_of, timeline_of
from tenants import keys, onboarding
from tenants.admin import TenantAdmin, in_status
from tenants.forms import TenantForm
from tenants.models import PROVIDER_CONFIG, Contact, Tenant, TenantStatus
from tenants.sheets import TenantSheet

TIMELINE_LENGTH = 100
WORDS = {
    "run": _("run"), "event": _("event"), "mail": _("mail"), "publication": _("publication"),
    "identity": _("identity"), "callback": _("callback"), "refused": _("refused"),
    "provision": _("provisioning"), "deprovision": _("deprovisioning"), "requested": _("requested"),
    "open": _("open"), "succeeded": _("succeeded"), "failed": _("failed"), "pending": _("pending"),
    "delivered": _("delivered"), "dead": _("dead"), "cancelled": _("cancelled"), "replayed": _("replayed"),
    "found": _("found"), "done": _("done"),
}  # fmt: skip
"""What the timeline says to programs, said to people. Names of events, mails and paths stay what they are."""

STAGE_COLOURS = {
    Stage.SIGNED_UP: "default", Stage.VERIFIED: "info", Stage.TENANT: "warning", Stage.ACTIVE: "success",
}  # fmt: skip
STANDING = ("stage_now", "tenant")
"""What the page of a lead says of its way to a tenant."""


class PlanForm(OperationForm):
    """The plan to provision on: the one that the tenant has taken already, where it has."""

    plan = forms.ModelChoiceField(label=_("Plan"), queryset=Plan.objects.filter(is_active=True))

    def __init__(self, *args, obj, **kwargs):
        super().__init__(*args, obj=obj, **kwargs)
        taken = obj.subscriptions(manager="objects").filter(status__in=LIVE).first()
        self.fields["plan"].initial = taken.plan_id if taken else None


class ProviderForm(OperationForm):
    """The provider of a tenant that has none yet."""

    provider = forms.ChoiceField(label=_("Identity provider"))

    def __init__(self, *args, obj, **kwargs):
        super().__init__(*args, obj=obj, **kwargs)
        if obj.configs(manager="objects").filter(config_key=PROVIDER_CONFIG).exists():
            del self.fields["provider"]
        else:
            field = self.fields["provider"]
            field.choices = [(name, name) for name in providers.known()]
            field.initial, field.required = settings.IDENTITY_PROVIDER, not settings.IDENTITY_PROVIDER


class TypeTheKeyForm(OperationForm):
    key = forms.CharField(label=_("Type the tenant's key to confirm"))

    def clean_key(self) -> str:
        if self.cleaned_data["key"] != self.obj.key:
            raise forms.ValidationError(_("This is not the tenant's key."))
        return self.cleaned_data["key"]


class OnboardLeadForm(TenantForm):
    def __init__(self, *args, obj, **kwargs):
        super().__init__(*args, obj=obj, **kwargs)
        self.fields["name"].initial = obj.company_name
        self.fields["key"].initial = next(iter(keys.propose(obj)), "")
        self.fields["domains"].initial = ", ".join(onboarding.proposed_domains(obj))


class StageFilter(admin.SimpleListFilter):
    """Where leads stand on their way to a tenant."""

    title = _("stage")
    parameter_name = "stage"

    def lookups(self, request, model_admin):
        return Stage.choices

    def queryset(self, request, queryset):
        return at_stage(queryset, self.value())


class TenantTierFilter(TierFilter):
    """Of the tier that a tenant has now; or those that have none."""

    def lookups(self, request, model_admin):
        return [*super().lookups(request, model_admin), (NONE, _("none yet"))]

    def queryset(self, request, queryset):
        return queryset.filter(tier=None) if self.value() == NONE else super().queryset(request, queryset)


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
    @once
    def timeline(self, obj):
        subjects = self.subjects(obj)
        entries = timeline_of(subjects, limit=TIMELINE_LENGTH)
        # Of the subjects it is the lead that does something.
        names = {**dict.fromkeys(subjects, _("the lead")), **names_of(each["actor"] for each in entries)}
        return render_to_string("admin/timeline.html", {"entries": [_spoken(each, names) for each in entries]})

    def subjects(self, obj) -> Subjects:
        raise NotImplementedError


def _spoken(entry: Entry, names: Mapping) -> Entry:
    parts = ("kind", "name", "outcome") if entry["kind"] == "run" else ("kind", "outcome")
    said = {part: WORDS.get(entry[part], entry[part]) for part in parts}
    return {**entry, **said, "time": second(entry["time"]), "actor": names.get(entry["actor"], entry["actor"])}


class SubscriptionInline(PartInline):
    model = Subscription
    fields = ("plan", "price_shown", "status", "period_start", "period_end")
    price_shown = money("price", _("price"))

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("plan")


class InvoiceInline(PartInline):
    model = Invoice
    fields = ("number", "total", "due_day", "status")
    ordering = ("-issued_on",)
    total = money("amount", _("total"))
    due_day = day("due_date", _("due date"))


class ProvisionedTenantSheet(TenantSheet):
    columns: ClassVar = {"tier": "tier", **TenantSheet.columns}


@admin.register(Tenant)
class ProvisionedTenantAdmin(WithOverview, WithTimeline, TenantAdmin):
    sheet = ProvisionedTenantSheet
    list_display = ("name", "key", "status_badge", "tier", "primary_mail", "last_event", "age")
    list_filter = (TenantTierFilter, *TenantAdmin.list_filter)
    inlines = (*TenantAdmin.inlines, SubscriptionInline, InvoiceInline)
    actions_detail = (
        "provision", "retry", *TenantAdmin.actions_detail, "set_up_identity", "call_off", "restore",
        {"title": _("More"), "items": ["rotate_secret", "export", "deprovision"]},
    )  # fmt: skip

    def get_queryset(self, request):
        """With what the list shows of other tables; the database looks it up for the rows of the page alone."""
        mine = {"tenant": OuterRef("pk")}
        contacts = Contact.objects.filter(**mine).order_by("-is_primary", "created_on", "id")
        events = Event.objects.filter(subject=OuterRef("pk")).order_by("-id")
        return (
            super()
            .get_queryset(request)
            .annotate(
                tier=present_tier(),
                mail_of_primary=Subquery(contacts.values("email")[:1]),
                newest_event=Subquery(events.values("type")[:1]),
            )
        )

    @display(description=_("tier"))
    def tier(self, tenant):
        return tenant.tier

    @display(description=_("primary contact"))
    def primary_mail(self, tenant):
        return tenant.mail_of_primary

    @display(description=_("last event"))
    def last_event(self, tenant):
        return breakable(tenant.newest_event or "") or None

    @display(description=_("age"), ordering="-created_on")
    def age(self, tenant):
        """In the largest unit, with the day to whoever asks."""
        born = date_format(localtime(tenant.created_on))
        return format_html('<span title="{}">{}</span>', born, timesince(tenant.created_on, depth=1))

    @operation(
        _("Provision"), codes=(codes.PROVISION_TENANT,), icon="rocket_launch", form=PlanForm,
        when=in_status(TenantStatus.PENDINGPROVISION),
        asks=_("The provisioner is asked to build the tenant's resources."),
    )  # fmt: skip
    def provision(self, request, tenant, plan):
        unpaid = provision_on_plan(tenant_id=tenant.id, plan=plan, reference="", actor=request.user.pk)
        if unpaid is not None:
            return _("Invoice %s has to be paid first.") % unpaid.number
        return _("The provisioner is asked to build the tenant.")

    @operation(
        _("Retry"), codes=(codes.PROVISION_TENANT,), icon="replay", form=PlanForm,
        when=in_status(TenantStatus.PROVISIONFAILED),
        asks=_("The provisioner is asked once more, with a fresh secret."),
    )  # fmt: skip
    def retry(self, request, tenant, plan):
        provision_on_plan(tenant_id=tenant.id, plan=plan, reference="", actor=request.user.pk)
        return _("The provisioner is asked once more.")

    @operation(
        _("Deprovision"), codes=(codes.DELETE_TENANT,), icon="delete_forever", form=TypeTheKeyForm, destroys=True,
        when=in_status(TenantStatus.ACTIVE, TenantStatus.INACTIVE, TenantStatus.PROVISIONFAILED),
        asks=_("Everything that was built for the tenant is taken down, and its subscription ends."),
    )  # fmt: skip
    def deprovision(self, request, tenant, key):
        request_deprovisioning(tenant_id=tenant.id, actor=request.user.pk)
        return _("The provisioner is asked to take the tenant down.")

    @operation(
        _("Call off deprovisioning"), codes=(codes.DELETE_TENANT,), icon="undo",
        when=in_status(TenantStatus.DEPROVISIONING),
        asks=_("While its grace period lasts, the tenant goes back to what it was."),
    )  # fmt: skip
    def call_off(self, request, tenant):
        offboarding.restore(tenant_id=tenant.id, actor=request.user.pk)
        return _("The deprovisioning is called off.")

    restore = restoring(
        when=lambda tenant: tenant.key != offboarding.ERASED,
        asks=_("The tenant is in the lists again, with its key. What was built for it is not built anew."),
    )

    @operation(
        _("Export"), codes=(codes.DELETE_TENANT,), icon="download", downloads=True,
        when=lambda tenant: not tenant.deleted,
    )  # fmt: skip
    def export(self, request, tenant):
        return attachment(offboarding.export(tenant), f"{tenant.key}.zip", "application/zip")

    @operation(
        _("Set up identity"), codes=(codes.PROVISION_TENANT,), icon="fingerprint", calls_out=True, form=ProviderForm,
        when=in_status(TenantStatus.ACTIVE, TenantStatus.PROVISIONING),
        asks=_("The tenant gets its realm, organization or pool at the identity provider, and its first user."),
    )  # fmt: skip
    def set_up_identity(self, request, tenant, provider=""):
        auth_id = set_up_identity(tenant_id=tenant.id, provider=provider, actor=request.user.pk)
        return _("The identity is set up, its first user is %s.") % auth_id

    @operation(
        _("Rotate secret"), codes=(codes.PROVISION_TENANT,), icon="key",
        when=in_status(TenantStatus.PROVISIONING, TenantStatus.DEPROVISIONING),
        asks=_("The provisioner is sent a fresh secret for its callback; the former one holds for a while beside it."),
    )  # fmt: skip
    def rotate_secret(self, request, tenant):
        rotate_secret(tenant_id=tenant.id, actor=request.user.pk)
        return _("A fresh secret is on its way to the provisioner.")

    def restorable(self, queryset):
        return super().restorable(queryset).exclude(key=offboarding.ERASED)

    def subjects(self, tenant):
        return subjects_of(tenant)


@admin.register(Lead)
class OnboardingLeadAdmin(WithTimeline, LeadAdmin):
    list_display = ("email", "first_name", "last_name", "company_name", "stage", "created_on")
    list_filter = (StageFilter, *LeadAdmin.list_filter)
    readonly_fields = (*STANDING, *LeadAdmin.readonly_fields)
    actions_detail = ("resend_mail", "onboard", "restore")
    restore = restoring(
        when=lambda lead: not lead.email.endswith(offboarding.ERASED_MAIL),
        asks=_("The lead is in the lists again, as it was, and may log in."),
    )

    def get_fields(self, request, obj=None):
        return [*STANDING, *(name for name in super().get_fields(request, obj) if name not in STANDING)]

    def get_queryset(self, request):
        mine = Tenant.objects.filter(lead=OuterRef("pk"))
        return super().get_queryset(request).annotate(tenant_status=Subquery(mine.values("status")[:1]))

    @display(description=_("stage"), label=STAGE_COLOURS)
    def stage(self, lead):
        stage = self._stage(lead)
        return stage, stage.label

    @display(description=_("stage"))
    def stage_now(self, lead):
        stage = self._stage(lead)
        return badge(stage.label, STAGE_COLOURS[stage])

    @display(description=_("tenant"))
    @once
    def tenant(self, lead):
        found = lead.tenants(manager="objects").first()
        return found and link(found)

    def _stage(self, lead) -> Stage:
        """How far down the funnel it is."""
        if lead.tenant_status is not None:
            return Stage.ACTIVE if lead.tenant_status == TenantStatus.ACTIVE else Stage.TENANT
        return Stage.VERIFIED if lead.is_validated else Stage.SIGNED_UP

    @operation(
        _("Resend verification mail"), codes=(codes.UPDATE_LEAD,), icon="forward_to_inbox",
        when=lambda lead: not lead.deleted, asks=_("A mail with a fresh link goes to the address of the lead."),
    )  # fmt: skip
    def resend_mail(self, request, lead):
        Lead.everything.select_for_update(no_key=True).get(id=lead.id)
        if events.asked_lately(events.LEAD_LINK_REQUESTED, subject=lead.id, payload={}):
            raise Conflict(_("A link was mailed to the lead a moment ago."))
        request_link(lead_id=lead.id)
        return _("A mail is on its way to %s.") % lead.email

    @operation(
        _("Onboard as tenant"), codes=(codes.CREATE_TENANT,), icon="domain_add", form=OnboardLeadForm,
        when=lambda lead: not lead.deleted and lead.is_validated and lead.tenant_status is None,
    )  # fmt: skip
    def onboard(self, request, lead, **values):
        made = onboarding.onboard_lead(lead_id=lead.id, actor=request.user.pk, **values)
        audit.record(request, made, what="onboard", before={}, after=audit.snapshot(made))
        return HttpResponseRedirect(reverse("admin:tenants_tenant_change", args=[made.id]))

    def restorable(self, queryset):
        return super().restorable(queryset).exclude(email__endswith=offboarding.ERASED_MAIL)

    def subjects(self, lead):
        return [lead.id, *lead.tenants.values_list("id", flat=True)]
