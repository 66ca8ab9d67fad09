"""What the customers are asked to pay."""

from django.core.validators import MinValueValidator
from django.db import models

from billing.money import validate_currency
from config.fields import one_line
from config.models import AuditedModel
from tenants.models import Tenant


class InvoiceStatus(models.IntegerChoices):
    PENDING = 0, "PENDING"
    PAID = 1, "PAID"
    CANCELLED = 2, "CANCELLED"
    DRAFT = 3, "DRAFT"


class Invoice(AuditedModel):
    """An amount that a tenant owes for a period."""

    owned_through = "tenant__lead_id"

    start_date = models.DateTimeField()
    end_date = models.DateTimeField()
    amount = models.DecimalField(max_digits=14, decimal_places=3, validators=[MinValueValidator(0)])
    currency_code = models.CharField(max_length=3, validators=[validate_currency])
    invoice_file = models.CharField(max_length=500, null=True, blank=True, validators=[one_line])
    due_date = models.DateTimeField()
    status = models.PositiveSmallIntegerField(choices=InvoiceStatus, default=InvoiceStatus.PENDING)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="invoices")

    class Meta(AuditedModel.Meta):
        db_table = "invoices"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(status__in=InvoiceStatus.values),
                name="invoice_status_known",
                violation_error_message="This status does not exist.",
            ),
            models.CheckConstraint(
                condition=models.Q(end_date__gte=models.F("start_date")),
                name="invoice_period_runs_forward",
                violation_error_message="The period ends before it starts.",
                violation_error_code="period",
            ),
        ]
        indexes = [
            *AuditedModel.Meta.indexes,
            models.Index(
                fields=["status", "created_on", "id"], name="invoices_by_status", condition=models.Q(deleted=False)
            ),
            models.Index(fields=["due_date", "id"], name="invoices_by_due_date", condition=models.Q(deleted=False)),
        ]

    def __str__(self):
        return f"{self.amount} {self.currency_code} due {self.due_date:%Y-%m-%d}"
