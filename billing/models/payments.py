"""What was paid."""

from django.db import models
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from billing.models.invoices import Invoice
from billing.periods import local_date
from config.fields import one_line
from config.models import AuditedModel


class Payment(AuditedModel):
    """Money received for an invoice, in the invoice's currency; a negative amount is money paid back.

    Nothing of a card or an account is kept: `reference` is what the bank or the gateway calls the payment.
    """

    owned_through = "invoice__tenant__lead_id"

    invoice = models.ForeignKey(Invoice, models.PROTECT, verbose_name=_("invoice"), related_name="payments")
    amount = models.DecimalField(_("amount"), max_digits=14, decimal_places=3)
    date = models.DateTimeField(_("date"), default=timezone.now)
    method = models.CharField(_("method"), max_length=50, blank=True, default="", validators=[one_line])
    reference = models.CharField(_("reference"), max_length=200, blank=True, default="", validators=[one_line])
    gateway = models.CharField(_("gateway"), max_length=50, default="manual")

    class Meta(AuditedModel.Meta):
        db_table = "payments"
        verbose_name, verbose_name_plural = _("payment"), _("payments")
        constraints = [
            models.UniqueConstraint(
                fields=["invoice", "gateway", "reference"],
                name="payment_recorded_once",
                condition=~models.Q(reference=""),
                violation_error_message=_("A payment of this reference is recorded for this invoice already."),
                violation_error_code="payment_exists",
            ),
            models.CheckConstraint(
                condition=~models.Q(amount=0),
                name="payment_not_zero",
                violation_error_message=_("A payment is not zero."),
            ),
        ]
        indexes = [
            *AuditedModel.Meta.indexes,
            models.Index(fields=["date"], name="payments_by_date"),
            models.Index(fields=["reference"], name="payments_by_reference", condition=models.Q(deleted=False)),
        ]

    def __str__(self):
        return _("%(amount)s on %(day)s") % {
            "amount": f"{self.amount.normalize():f}",
            "day": date_format(local_date(self.date)),
        }
