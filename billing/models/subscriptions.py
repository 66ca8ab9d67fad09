"""Who has taken which plan, at what price, and until when it is invoiced."""

import datetime

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.models.plans import BillingCycle, Plan
from billing.money import MOST_PRICE, validate_currency
from billing.periods import local_date
from config.fields import one_line
from config.models import AuditedModel
from tenants.models import Tenant


class SubscriptionStatus(models.IntegerChoices):
    PENDING = 0, "PENDING"
    ACTIVE = 1, "ACTIVE"
    INACTIVE = 2, "INACTIVE"
    CANCELLED = 3, "CANCELLED"
    EXPIRED = 4, "EXPIRED"


LIVE = (SubscriptionStatus.PENDING, SubscriptionStatus.ACTIVE)


class Subscription(AuditedModel):
    """A tenant's plan with the price at signing. `billing.subscriptions` and `billing.renewals` alone move it.

    PENDING until the tenant is provisioned. Periods run from a day to the day before the next begins; `anchor_day` is
    the day of the month they begin on, or the last of a shorter month. The periods before `next_invoice_on` are
    invoiced, the last of them from `period_start` to `period_end` at `period_price`, less what was credited of it, and
    `period_tax_rate`; one that begins when the subscription has ended is not due. `agreed_end_date` is the end that a
    cancellation takes the place of.
    """

    owned_through = "tenant__lead_id"

    tenant = models.ForeignKey(Tenant, models.PROTECT, verbose_name=_("tenant"), related_name="subscriptions")
    plan = models.ForeignKey(Plan, models.PROTECT, verbose_name=_("plan"), related_name="subscriptions")
    reference = models.CharField(_("reference"), max_length=100, blank=True, default="", validators=[one_line])
    price = models.DecimalField(
        _("price"),
        max_digits=14,
        decimal_places=3,
        validators=[MinValueValidator(0), MaxValueValidator(MOST_PRICE)],
    )
    currency_code = models.CharField(_("currency"), max_length=3, validators=[validate_currency])
    billing_cycle = models.CharField(_("billing cycle"), max_length=10, choices=BillingCycle)
    tax_rate = models.DecimalField(
        _("tax rate"),
        max_digits=6,
        decimal_places=3,
        default=0,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
    )
    status = models.PositiveSmallIntegerField(
        _("status"), choices=SubscriptionStatus, default=SubscriptionStatus.PENDING
    )
    start_date = models.DateTimeField(_("start date"), null=True, blank=True)
    end_date = models.DateTimeField(_("end date"), null=True, blank=True)
    agreed_end_date = models.DateTimeField(_("agreed end date"), null=True, blank=True, editable=False)
    anchor_day = models.PositiveSmallIntegerField(_("day of the month"), null=True, blank=True)
    period_start = models.DateField(_("start of the period"), null=True, blank=True)
    period_end = models.DateField(_("end of the period"), null=True, blank=True)
    period_price = models.DecimalField(_("price of the period"), max_digits=14, decimal_places=3, default=0)
    period_tax_rate = models.DecimalField(
        _("tax rate of the period"), max_digits=6, decimal_places=3, default=0, editable=False
    )
    next_invoice_on = models.DateField(_("next invoice on"), null=True, blank=True)
    credit = models.DecimalField(
        _("credit for unused time"),
        max_digits=14,
        decimal_places=3,
        default=0,
        help_text=_("With tax, for unused time; taken off the next invoices."),
    )
    next_plan = models.ForeignKey(
        Plan, models.PROTECT, verbose_name=_("next plan"), null=True, blank=True, related_name="+"
    )
    cancel_at_period_end = models.BooleanField(_("ends with the period"), default=False)
    ending_told_on = models.DateTimeField(_("end announced on"), null=True, blank=True, editable=False)

    class Meta(AuditedModel.Meta):
        db_table = "subscriptions"
        verbose_name, verbose_name_plural = _("subscription"), _("subscriptions")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"],
                name="one_live_subscription_per_tenant",
                condition=models.Q(status__in=(0, 1), deleted=False),
                violation_error_message=_("This tenant has a subscription already."),
                violation_error_code="subscription_exists",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=SubscriptionStatus.values),
                name="subscription_status_known",
                violation_error_message=_("This status does not exist."),
            ),
            models.CheckConstraint(
                condition=models.Q(period_end__gt=models.F("period_start")) | models.Q(period_start__isnull=True),
                name="subscription_period_runs_forward",
                violation_error_message=_("The period ends before it starts."),
                violation_error_code="period",
            ),
            models.CheckConstraint(
                condition=models.Q(credit__gte=0),
                name="subscription_credit_not_negative",
                violation_error_message=_("A credit is not negative."),
            ),
        ]
        indexes = [
            *AuditedModel.Meta.indexes,
            models.Index(
                fields=["next_invoice_on", "id"],
                name="subscriptions_due",
                condition=models.Q(status=1, deleted=False),
            ),
            models.Index(fields=["end_date"], name="subscriptions_by_end", condition=models.Q(status=1, deleted=False)),
            models.Index(
                fields=["status", "created_on", "id"], name="subscriptions_by_status", condition=models.Q(deleted=False)
            ),
        ]

    def __str__(self):
        return f"{self.plan.name}, {self.tenant.name}"

    @property
    def ends_on(self) -> datetime.date | None:
        """The first day that is not the subscription's any more."""
        return None if self.end_date is None else local_date(self.end_date)

    @property
    def months(self) -> int:
        return BillingCycle(self.billing_cycle).months

    def take_terms_of(self, plan: Plan) -> None:
        """What is signed: the plan with the price, currency and cycle that it has now."""
        self.plan = plan
        self.price, self.currency_code, self.billing_cycle = plan.price, plan.currency_code, plan.billing_cycle


class SubscriptionTerms(models.Model):
    """What a subscription came to, and from when on: `since` to the day before `until`, or until now.

    Written by `billing.terms` when a period begins or changes, and never changed after; what was is read from here,
    since the subscription itself knows only what is.
    """

    id = models.BigAutoField(_("ID"), primary_key=True)
    subscription = models.ForeignKey(Subscription, models.CASCADE, verbose_name=_("subscription"), related_name="terms")
    since = models.DateField(_("since"))
    until = models.DateField(_("until"), null=True, blank=True)
    price = models.DecimalField(_("price"), max_digits=14, decimal_places=3)
    currency_code = models.CharField(_("currency"), max_length=3)
    billing_cycle = models.CharField(_("billing cycle"), max_length=10, choices=BillingCycle)

    class Meta:
        db_table = "subscription_terms"
        verbose_name, verbose_name_plural = _("subscription terms"), _("subscription terms")
        constraints = [
            models.UniqueConstraint(
                fields=["subscription"],
                name="one_present_terms_per_subscription",
                condition=models.Q(until__isnull=True),
                violation_error_message=_("The subscription has terms of the present already."),
            ),
            models.CheckConstraint(
                condition=models.Q(until__isnull=True) | models.Q(until__gte=models.F("since")),
                name="subscription_terms_run_forward",
                violation_error_message=_("The terms end before they begin."),
            ),
        ]

    def __str__(self):
        return f"{self.price} {self.currency_code} {self.billing_cycle} since {self.since}"
