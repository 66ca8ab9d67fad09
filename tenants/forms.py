"""What the back-office asks for to make a tenant; the rules are those of the models."""

from django import forms
from django.utils.translation import gettext_lazy as _

from config.domains import ascii_domain
from config.fields import one_line
from config.forms import AuditedForm, StrictEmailField
from identity.operations import OperationForm
from leads.models import Address
from tenants.models import Tenant, validate_domains

CONTACT_FIELDS = ("contact_first_name", "contact_last_name", "contact_email")


class DomainList(forms.CharField):
    """Host names, separated by commas."""

    def __init__(self, **kwargs):
        super().__init__(
            **{"label": _("Domains"), "required": False, "help_text": _("Separated by commas."),
               "validators": [validate_domains], **kwargs}
        )  # fmt: skip

    def prepare_value(self, value):
        return ", ".join(value) if isinstance(value, list) else value

    def to_python(self, value):
        return [ascii_domain(each.strip()) for each in super().to_python(value).split(",") if each.strip()]


class TenantForm(OperationForm):
    name = forms.CharField(label=_("Name"), max_length=100, validators=[one_line])
    key = forms.CharField(
        label=_("Key"), max_length=10, validators=Tenant._meta.get_field("key").validators,
        help_text=_("Lower-case letters and digits, ten at most. It is part of addresses and does not change."),
    )  # fmt: skip
    domains = DomainList()


class NewTenantForm(TenantForm):
    contact_first_name = forms.CharField(label=_("First name of the contact"), max_length=100, validators=[one_line])
    contact_last_name = forms.CharField(label=_("Last name of the contact"), max_length=100, validators=[one_line])
    contact_email = StrictEmailField(label=_("Email of the contact"), max_length=100)
    address = forms.CharField(label=_("Street"), required=False, max_length=500)
    zip = forms.CharField(label=_("Postal code"), required=False, max_length=25, validators=[one_line])
    city = forms.CharField(label=_("City"), required=False, max_length=100, validators=[one_line])
    state = forms.CharField(label=_("State"), required=False, max_length=100, validators=[one_line])
    country = forms.CharField(
        label=_("Country"), required=False, max_length=Address._meta.get_field("country").max_length,
        validators=[one_line], help_text=_("Without a country the address is not kept."),
    )  # fmt: skip


class ConfigForm(AuditedForm):
    def clean_config_value(self):
        value = self.cleaned_data["config_value"]
        if not isinstance(value, dict):
            raise forms.ValidationError(_("Not an object."), code="type")
        return value
