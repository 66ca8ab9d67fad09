"""What the customers are asked to pay, and what is taken back of it."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.models.subscriptions import Subscription
from billing.money import shown, validate_currency
from billing.periods import day_begin, local_date, midnight
from config.fields import one_line
from config.models import AuditedManager, AuditedModel, AuditedQuerySet
from tenants.models import Tenant


class InvoiceStatus(models.IntegerChoices):
    PENDING = 0, "PENDING"
    PAID = 1, "PAID"
    CANCELLED = 2, "CANCELLED"
    DRAFT = 3, "DRAFT"


class InvoiceQuerySet(AuditedQuerySet):
    def issued(self):
        return self.exclude(status=InvoiceStatus.DRAFT)

    def overdue(self, now=None):
        """Issued, not paid, and past the day it was due: on that day, in BILLING_TIME_ZONE, it is paid in time."""
        return self.due_before(local_date(now or timezone.now()))

    def due_before(self, day):
        """Issued, not paid, and due before `day` of BILLING_TIME_ZONE."""
        return self.filter(status=InvoiceStatus.PENDING, due_date__lt=midnight(day))


def _amount(label: Any, **kwargs) -> models.DecimalField:
    return models.DecimalField(label, max_digits=14, decimal_places=3, **kwargs)


ADDS_UP = Q(amount=Round(F("subtotal") + F("tax_total"), 3))
"""Rounded, since SQLite adds decimals as floats."""


class Document(AuditedModel):
    """What invoices and credit notes have in common: a number, and a content that is frozen when it is given.

    `lines` and `taxes` are lists of objects whose numbers are decimal texts, worked out by `billing.totals`; `seller`
    and `buyer` are name, address, country, taxId as they were, the buyer's with the language that the document is in. A
    document is one row: nothing that is read with it can change later.
    """

    number = models.CharField(_("number"), max_length=40, null=True, editable=False)
    issued_on = models.DateTimeField(_("issued on"), null=True, editable=False)
    lines = models.JSONField(_("lines"), default=list, editable=False)
    taxes = models.JSONField(_("taxes"), default=list, editable=False)
    subtotal = _amount(_("subtotal"), default=0, editable=False)
    tax_total = _amount(_("tax"), default=0, editable=False)
    seller = models.JSONField(_("seller"), default=dict, editable=False)
    buyer = models.JSONField(_("bill to"), default=dict, editable=False)
    invoice_file = models.CharField(_("file"), max_length=500, null=True, blank=True, validators=[one_line])

    class Meta(AuditedModel.Meta):
        abstract = True


class Invoice(Document):
    """An amount that a tenant owes for a period. `billing.invoicing` alone writes what is issued.

    `amount` is the total. `paid_amount` and `credited_amount` are what payments and credit notes add up to;
    `credit_taken` is by how much the subscription's credit made it smaller, `given_back` what of it became such credit
    when the plan changed: both with tax, so that a subscription's credit is what its invoices gave less what they took.
    """

    owned_through = "tenant__lead_id"

    start_date = models.DateTimeField(_("start date"))
    end_date = models.DateTimeField(_("end date"))
    amount = _amount(_("amount"), validators=[MinValueValidator(0)])
    currency_code = models.CharField(_("currency"), max_length=3, validators=[validate_currency])
    due_date = models.DateTimeField(_("due date"))
    status = models.PositiveSmallIntegerField(_("status"), choices=InvoiceStatus, default=InvoiceStatus.PENDING)
    tenant = models.ForeignKey(Tenant, models.PROTECT, verbose_name=_("tenant"), related_name="invoices")
    subscription = models.ForeignKey(
        Subscription, models.PROTECT, verbose_name=_("subscription"), null=True, blank=True, related_name="invoices"
    )
    period_start = models.DateField(_("start of the period"), null=True, blank=True, editable=False)
    paid_amount = _amount(_("paid"), default=0, editable=False)
    credited_amount = _amount(_("credited"), default=0, editable=False)
    credit_taken = _amount(_("credit taken off"), default=0, editable=False)
    given_back = _amount(_("given back as credit"), default=0, editable=False)
    overdue_on = models.DateTimeField(_("overdue since"), null=True, blank=True, editable=False)
    reminders_sent = models.PositiveSmallIntegerField(_("reminders sent"), default=0, editable=False)
    suspended_on = models.DateTimeField(_("suspended on"), null=True, blank=True, editable=False)

    objects = AuditedManager.from_queryset(InvoiceQuerySet)()
    everything = models.Manager.from_queryset(InvoiceQuerySet)()

    class Meta(Document.Meta):
        db_table = "invoices"
        verbose_name, verbose_name_plural = _("invoice"), _("invoices")
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=InvoiceStatus.values),
                name="invoice_status_known",
                violation_error_message=_("This status does not exist."),
            ),
            models.CheckConstraint(
                condition=Q(end_date__gte=F("start_date")),
                name="invoice_period_runs_forward",
                violation_error_message=_("The period ends before it starts."),
                violation_error_code="period",
            ),
            models.CheckConstraint(
                condition=Q(status=3, number__isnull=True, issued_on__isnull=True)
                | Q(~Q(status=3), number__isnull=False, issued_on__isnull=False),
                name="invoice_number_from_issue_on",
                violation_error_message=_("An invoice has a number from the moment it is issued, and not before."),
            ),
            models.CheckConstraint(
                condition=ADDS_UP,
                name="invoice_adds_up",
                violation_error_message=_("The lines and taxes do not add up to the total."),
            ),
            models.CheckConstraint(
                condition=Q(credited_amount__gte=0, credited_amount__lte=F("amount"), paid_amount__gte=0),
                name="invoice_settled_within_bounds",
                violation_error_message=_("More would be credited than invoiced, or paid back than paid."),
                violation_error_code="amount",
            ),
            models.UniqueConstraint(
                fields=["number"], name="invoice_number_unique", violation_error_message=_("This number is taken.")
            ),
            models.UniqueConstraint(
                fields=["subscription", "period_start"],
                name="one_invoice_per_period",
                condition=~Q(status=2),
                violation_error_message=_("This period of the subscription is invoiced already."),
                violation_error_code="period_invoiced",
            ),
        ]
        indexes = [
            *Document.Meta.indexes,
            models.Index(fields=["status", "created_on", "id"], name="invoices_by_status", condition=Q(deleted=False)),
            models.Index(fields=["due_date", "id"], name="invoices_by_due_date", condition=Q(deleted=False)),
            models.Index(fields=["due_date"], name="invoices_open", condition=Q(status=0, deleted=False)),
            models.Index(fields=["issued_on", "id"], name="invoices_by_issue", condition=Q(deleted=False)),
        ]

    def __str__(self):
        return self.number or _("draft of %s") % shown(self.amount, self.currency_code)

    @property
    def is_issued(self) -> bool:
        return self.number is not None

    @property
    def names_days(self) -> bool:
        """Not so where it was issued before anybody knew when its period begins (`billing.prepayment`)."""
        return self.subscription_id is None or self.end_date > self.start_date

    @property
    def open_amount(self) -> Decimal:
        """What is still to be paid; negative for what was paid too much."""
        return self.amount - self.credited_amount - self.paid_amount

    @property
    def standing(self) -> Decimal:
        """What it charges, with tax, that is neither credited nor given back; what credit paid of it is charged too."""
        standing = self.amount - self.credited_amount - self.given_back
        return standing if self.settled_status() == InvoiceStatus.CANCELLED else standing + self.credit_taken

    @property
    def is_overdue(self) -> bool:
        return self.status == InvoiceStatus.PENDING and self.due_date < day_begin(timezone.now())

    def settled_status(self) -> InvoiceStatus:
        """The status of an issued invoice, from what is credited and paid: what is wholly credited is cancelled.

        What is free has nothing to be credited, and stays cancelled once it is.
        """
        if self.credited_amount >= self.amount if self.amount else self.status == InvoiceStatus.CANCELLED:
            return InvoiceStatus.CANCELLED
        return InvoiceStatus.PAID if self.open_amount <= 0 else InvoiceStatus.PENDING


class CreditNote(Document):
    """Takes an issued invoice back, wholly or in part. `amount` is the total, positive."""

    owned_through = "invoice__tenant__lead_id"

    invoice = models.ForeignKey(Invoice, models.PROTECT, verbose_name=_("invoice"), related_name="credit_notes")
    amount = _amount(_("amount"), editable=False)
    currency_code = models.CharField(_("currency"), max_length=3, editable=False)
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="", validators=[one_line])

    class Meta(Document.Meta):
        db_table = "credit_notes"
        verbose_name, verbose_name_plural = _("credit note"), _("credit notes")
        constraints = [
            models.UniqueConstraint(
                fields=["number"], name="credit_note_number_unique", violation_error_message=_("This number is taken.")
            ),
            models.CheckConstraint(
                condition=ADDS_UP & Q(amount__gt=0),
                name="credit_note_adds_up",
                violation_error_message=_("The lines and taxes do not add up to the total."),
            ),
        ]

    def __str__(self):
        return self.number or str(_("credit note"))


class NumberSeries(models.Model):
    """The last number given in a series and year. Its row is the lock that keeps numbers free of gaps."""

    series = models.CharField(_("series"), max_length=20)
    year = models.PositiveSmallIntegerField(_("year"))
    last = models.PositiveIntegerField(_("last number"), default=0)

    class Meta:
        db_table = "number_series"
        verbose_name, verbose_name_plural = _("number series"), _("number series")
        constraints = [models.UniqueConstraint(fields=["series", "year"], name="one_counter_per_series_and_year")]

    def __str__(self):
        return f"{self.series} {self.year}: {self.last}"

    def clean(self):
        raise ValidationError(_("Numbers are given by billing.numbering alone."))
