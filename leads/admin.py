from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models.fields import BLANK_CHOICE_DASH
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminSelectWidget

from config.admin import BackOfficeAdmin, LookedAt
from config.domains import comparable_address
from config.exchange import ExportAdmin
from config.forms import AuditedForm
from config.list_filters import DaysFilter
from identity.operations import RestoringAdmin
from leads.models import Address, Lead, LeadKey
from leads.sheets import LeadSheet
from leads.verification import unprove


class LeadForm(AuditedForm):
    language = forms.ChoiceField(
        label=capfirst(Lead._meta.get_field("language").verbose_name), required=False, widget=UnfoldAdminSelectWidget,
        choices=[*BLANK_CHOICE_DASH, *settings.LANGUAGES],
    )  # fmt: skip


@admin.register(Lead)
class LeadAdmin(ExportAdmin, RestoringAdmin):
    form = LeadForm
    sheet = LeadSheet
    list_display = ("email", "first_name", "last_name", "company_name", "is_validated", "created_on")
    list_filter = ("is_validated", ("created_on", DaysFilter))
    search_fields = ("email", "first_name", "last_name", "company_name")
    autocomplete_fields = ("address",)
    readonly_fields = ("is_validated",)
    outlives = _("Tenants of a lead stay as they are.")

    def has_add_permission(self, request, obj=None):
        """A lead signs up by itself: nobody else can prove its address."""
        return False

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        if comparable_address(form.initial["email"]) != comparable_address(obj.email):
            unprove(obj)


@admin.register(Address)
class AddressAdmin(RestoringAdmin):
    list_display = ("address", "zip", "city", "state", "country")
    search_fields = ("address", "city", "zip")


@admin.register(LeadKey)
class LeadKeyAdmin(LookedAt, BackOfficeAdmin):
    list_display = ("lead", "created_on", "expires_at", "used_at")
    list_select_related = ("lead",)
    raw_id_fields = ("lead",)
    ordering = ("-expires_at",)
