from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from config.admin import AuditedAdmin, BackOfficeAdmin, DaysFilter, LookedAt
from config.exchange import ExportAdmin
from identity import permissions as codes
from identity.operations import OperatingAdmin, operation
from leads.models import Address, Lead, LeadKey
from leads.sheets import LeadSheet
from leads.verification import request_link, unprove


@admin.register(Lead)
class LeadAdmin(ExportAdmin, OperatingAdmin, AuditedAdmin):
    sheet = LeadSheet
    list_display = ("email", "first_name", "last_name", "company_name", "is_validated", "created_on")
    list_filter = ("is_validated", ("created_on", DaysFilter))
    search_fields = ("email", "first_name", "last_name", "company_name")
    autocomplete_fields = ("address",)
    readonly_fields = ("is_validated",)
    actions_detail = ("resend_mail",)

    def has_add_permission(self, request, obj=None):
        """A lead signs up by itself: nobody else can prove its address."""
        return False

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        if "email" in form.changed_data:
            unprove(obj)

    @operation(
        _("Resend verification mail"), codes=(codes.UPDATE_LEAD,), icon="forward_to_inbox",
        when=lambda lead: not lead.deleted, asks=_("A mail with a fresh link goes to the address of the lead."),
    )  # fmt: skip
    def resend_mail(self, request, lead):
        request_link(lead_id=lead.id)
        return _("A mail is on its way to %s.") % lead.email


@admin.register(Address)
class AddressAdmin(AuditedAdmin):
    list_display = ("address", "zip", "city", "state", "country")
    search_fields = ("address", "city", "zip")


@admin.register(LeadKey)
class LeadKeyAdmin(LookedAt, BackOfficeAdmin):
    list_display = ("lead", "created_on", "expires_at", "used_at")
    list_select_related = ("lead",)
    raw_id_fields = ("lead",)
    ordering = ("-expires_at",)
