"""Whom an invoice names."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from config.fields import one_line
from config.models import AuditedModel
from tenants.models import Tenant


class BillingCustomer(AuditedModel):
    """How a tenant wants to be named on its invoices; without one they name the tenant and its address."""

    owned_through = "tenant__lead_id"

    name = models.CharField(_("name"), max_length=200, validators=[one_line])
    address = models.TextField(
        _("address"), max_length=500, blank=True, default="", help_text=_("As on an envelope, in lines.")
    )
    country = models.CharField(_("country"), max_length=25, blank=True, default="", validators=[one_line])
    tax_id = models.CharField(_("tax ID"), max_length=50, blank=True, default="", validators=[one_line])
    tenant = models.ForeignKey(Tenant, models.PROTECT, verbose_name=_("tenant"), related_name="billing_customers")

    class Meta(AuditedModel.Meta):
        db_table = "billing_customers"
        verbose_name, verbose_name_plural = _("billing customer"), _("billing customers")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"],
                name="one_billing_customer_per_tenant",
                condition=models.Q(deleted=False),
                violation_error_message=_("This tenant has a billing customer already."),
                violation_error_code="billing_customer_exists",
            )
        ]

    def __str__(self):
        return self.name
