"""Plans on the wire."""

from decimal import Decimal

from django.utils.translation import gettext as _
from rest_framework.exceptions import ErrorDetail, ValidationError

from billing.models import Plan
from billing.money import is_payable, minor_units
from config.fields import JSONObject
from config.serializers import AUDIT_FIELDS, ModelSerializer, camel


def refuse_uneven(name: str, amount: Decimal | None, currency: str | None) -> None:
    """Raises ValidationError for an amount that nobody could pay: with more decimals than its currency has."""
    if amount is not None and currency is not None and not is_payable(amount, currency):
        digits = minor_units(currency)
        said = _("An amount in %(currency)s has %(digits)d decimals.") % {"currency": currency, "digits": digits}
        raise ValidationError({name: ErrorDetail(said, code="multipleOf")})


class PlanSerializer(ModelSerializer):
    size_config = JSONObject(required=False)

    class Meta:
        model = Plan
        fields = (
            "id", "name", "description", "tier", "price", "currency_code", "billing_cycle", "trial_days", "features",
            "size_config", "is_self_service", "is_active", *AUDIT_FIELDS,
        )  # fmt: skip

    def validate(self, attrs):
        in_bulk = self.partial and self.instance is None
        missing = [name for name in ("price", "currency_code") if name not in attrs]
        if in_bulk and len(missing) == 1:
            detail = ErrorDetail(_("In bulk a price and its currency change together."), code="required")
            raise ValidationError({camel(missing[0]): detail})
        price = attrs.get("price", getattr(self.instance, "price", None))
        refuse_uneven("price", price, attrs.get("currency_code", getattr(self.instance, "currency_code", None)))
        return attrs
