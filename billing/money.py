"""Amounts of money: decimals, rounded half up to the minor units of their currency (ISO 4217).

The currencies come from the package iso4217 (68 kB); babel and pycountry know them too, in 33 and 23 MB.
"""

from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

from django.core.exceptions import ValidationError
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from iso4217 import Currency

ZERO = Decimal(0)
MOST = Decimal("99999999999.999")
"""What a column of an amount holds."""
MOST_PRICE = 10_000_000_000
"""Of a period, which fits an invoice with any tax on it."""


@lru_cache
def minor_units(currency: str) -> int:
    """How many decimals an amount in `currency` has: 2 for EUR, 0 for JPY, 3 for KWD.

    Raises ValueError for what ISO 4217 does not list, or lists without minor units (gold, test codes).
    """
    exponent = Currency(currency).exponent
    if exponent is None or exponent > 3:
        raise ValueError(f"{currency} has no minor units that are in use.")
    return exponent


def rounded(amount: Decimal, currency: str) -> Decimal:
    """`amount` to the minor unit of `currency`, halves away from zero."""
    return amount.quantize(Decimal(1).scaleb(-minor_units(currency)), ROUND_HALF_UP)


def written(value: Decimal | str, decimals: int = 0) -> str:
    """As it is written in the language of now, with at least `decimals` and as many more as it has: 7.5, or 7,5."""
    plain = Decimal(value).normalize()
    exponent = plain.as_tuple().exponent
    assert isinstance(exponent, int)
    return number_format(plain, max(decimals, -exponent), force_grouping=True)


def figure(amount: Decimal, currency: str) -> str:
    """`amount` as it is written in the language of now where the currency is told besides: 1,234.50, or 1.234,50."""
    return written(rounded(amount, currency), minor_units(currency))


def shown(amount: Decimal, currency: str) -> str:
    """`amount` as it is written in the language of now: 1,234.50 EUR, or 1.234,50 EUR."""
    return f"{figure(amount, currency)} {currency}"


def validate_currency(value: str) -> None:
    """An ISO 4217 code of money in use. Raises ValidationError."""
    try:
        minor_units(value)
    except ValueError as error:
        raise ValidationError(_("Not the ISO 4217 code of a currency."), code="pattern") from error


def is_payable(amount: Decimal, currency: str) -> bool:
    """Whether `amount` has no more decimals than the currency."""
    return amount == rounded(amount, currency)
