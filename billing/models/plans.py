"""What is for sale."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from billing.money import MOST_PRICE, is_payable, shown, validate_currency
from config.fields import one_line
from config.models import AuditedManager, AuditedModel, AuditedQuerySet


class Tier(models.TextChoices):
    """PREMIUM tenants have resources of their own (silo), the others share them (pooled)."""

    BASIC = "BASIC", "BASIC"
    STANDARD = "STANDARD", "STANDARD"
    PREMIUM = "PREMIUM", "PREMIUM"


class BillingCycle(models.TextChoices):
    MONTHLY = "MONTHLY", "MONTHLY"
    QUARTERLY = "QUARTERLY", "QUARTERLY"
    YEARLY = "YEARLY", "YEARLY"

    @property
    def months(self) -> int:
        return {"MONTHLY": 1, "QUARTERLY": 3, "YEARLY": 12}[self.value]


def validate_object(value) -> None:
    """A JSON object. Raises ValidationError."""
    if not isinstance(value, dict):
        raise ValidationError(_("Not an object."), code="type")


class PlanQuerySet(AuditedQuerySet):
    def for_self_service(self):
        """What a customer may choose by itself."""
        return self.filter(is_active=True, is_self_service=True)

    def visible_to(self, principal):
        """Everything to staff and services; to a lead, and to nobody in particular, what is for self-service."""
        if principal is None or principal.lead_id is not None:
            return self.for_self_service()
        return self


class Plan(AuditedModel):
    """A tier at a price. A subscription keeps the price it was signed at, so a plan may change or retire."""

    name = models.CharField(_("name"), max_length=100, validators=[one_line])
    description = models.TextField(_("description"), null=True, blank=True, max_length=2000)
    tier = models.CharField(_("tier"), max_length=10, choices=Tier)
    price = models.DecimalField(
        _("price"),
        max_digits=14,
        decimal_places=3,
        validators=[MinValueValidator(0), MaxValueValidator(MOST_PRICE)],
        help_text=_("Net, for one billing cycle."),
    )
    currency_code = models.CharField(_("currency"), max_length=3, validators=[validate_currency])
    billing_cycle = models.CharField(
        _("billing cycle"), max_length=10, choices=BillingCycle, default=BillingCycle.MONTHLY
    )
    trial_days = models.PositiveSmallIntegerField(_("days of trial"), default=0, validators=[MaxValueValidator(365)])
    features = models.JSONField(_("features"), default=list, blank=True)
    size_config = models.JSONField(_("size"), default=dict, blank=True, validators=[validate_object])
    is_self_service = models.BooleanField(_("self-service"), default=True)
    is_active = models.BooleanField(_("on offer"), default=True)

    objects = AuditedManager.from_queryset(PlanQuerySet)()
    everything = models.Manager.from_queryset(PlanQuerySet)()

    class Meta(AuditedModel.Meta):
        db_table = "plans"
        verbose_name, verbose_name_plural = _("plan"), _("plans")
        ordering = ("price", "id")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(price__gte=0),
                name="plan_price_not_negative",
                violation_error_message=_("A price is not negative."),
            )
        ]
        indexes = [
            *AuditedModel.Meta.indexes,
            models.Index(fields=["price", "id"], name="plans_by_price", condition=models.Q(deleted=False)),
        ]

    def clean_fields(self, exclude=None):
        """Raises ValidationError, also for a price that nobody could pay: with more decimals than its currency has."""
        super().clean_fields(exclude)
        if self.price is not None and self.currency_code and not is_payable(self.price, self.currency_code):
            raise ValidationError({"price": ValidationError(_("This cannot be paid in %s.") % self.currency_code)})

    def __str__(self):
        return f"{self.name} ({shown(self.price, self.currency_code)}, {self.get_billing_cycle_display()})"
