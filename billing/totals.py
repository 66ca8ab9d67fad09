"""What lines add up to. Pure functions.

A line's net amount is rounded; the tax of a rate is worked out once, on the sum of that rate's net amounts, and rounded
then (as EN 16931 has it, BR-CO-17), so that the lines and the taxes add up to the total to the last minor unit.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from billing.money import ZERO, rounded

HUNDRED = Decimal(100)


@dataclass(frozen=True)
class Line:
    """`quantity` times `unit_price` less `discount_percent`, net; `tax_rate` in percent on top."""

    description: str
    unit_price: Decimal
    quantity: Decimal = Decimal(1)
    discount_percent: Decimal = ZERO
    tax_rate: Decimal = ZERO

    def net(self, currency: str) -> Decimal:
        return rounded(self.quantity * self.unit_price * (HUNDRED - self.discount_percent) / HUNDRED, currency)


@dataclass(frozen=True)
class TaxOfRate:
    rate: Decimal
    net: Decimal
    tax: Decimal


@dataclass(frozen=True)
class Totals:
    """`lines` and `taxes` as a document keeps them."""

    lines: list[dict[str, str]]
    taxes: list[dict[str, str]]
    subtotal: Decimal
    tax_total: Decimal

    @property
    def total(self) -> Decimal:
        return self.subtotal + self.tax_total


def totals(lines: Sequence[Line], currency: str) -> Totals:
    nets = [line.net(currency) for line in lines]
    by_rate: dict[Decimal, Decimal] = {}
    for line, net in zip(lines, nets, strict=True):
        by_rate[line.tax_rate] = by_rate.get(line.tax_rate, ZERO) + net
    taxes = [TaxOfRate(rate, net, rounded(net * rate / HUNDRED, currency)) for rate, net in sorted(by_rate.items())]
    return Totals(
        lines=[_kept(line, net) for line, net in zip(lines, nets, strict=True)],
        taxes=kept_taxes(taxes),
        subtotal=sum(nets, ZERO),
        tax_total=sum((each.tax for each in taxes), ZERO),
    )


def with_tax(net: Decimal, rate: Decimal, currency: str) -> Decimal:
    return net + rounded(net * rate / HUNDRED, currency)


def without_tax(total: Decimal, rate: Decimal, currency: str) -> Decimal:
    """The net amount that comes closest to `total` with tax of `rate`, in percent."""
    return rounded(total * HUNDRED / (HUNDRED + rate), currency)


def coming_to(total: Decimal, lines: Sequence[Line], last: Line, *, rounding: str, currency: str) -> list[Line]:
    """`lines` and `last`, at the price that brings them to `total`, with tax.

    Not every total can be had at a tax rate, since the tax is rounded: at 19 % 0.02 net come to 0.02, and 0.03 to 0.04.
    The rest, one minor unit at most, is then a line named `rounding`, without tax (as the rounding amount of EN 16931,
    BT-114).
    """
    others = totals([line for line in lines if line.tax_rate != last.tax_rate], currency).total
    same = sum((line.net(currency) for line in lines if line.tax_rate == last.tax_rate), ZERO)
    price = without_tax(total - others, last.tax_rate, currency) - same
    lines = [*lines, replace(last, unit_price=price)]
    rest = total - totals(lines, currency).total
    return [*lines, Line(rounding, rest)] if rest else lines


def kept_lines(lines: Iterable[Mapping[str, Any]]) -> list[Line]:
    """The lines of a document, to be worked out again."""
    return [
        Line(
            description=line["description"],
            unit_price=Decimal(line["unit_price"]),
            quantity=Decimal(line["quantity"]),
            discount_percent=Decimal(line["discount_percent"]),
            tax_rate=Decimal(line["tax_rate"]),
        )
        for line in lines
    ]


def kept_taxes(taxes: Iterable[TaxOfRate]) -> list[dict[str, str]]:
    return [{"rate": _text(each.rate), "net": _text(each.net), "tax": _text(each.tax)} for each in taxes]


def _kept(line: Line, net: Decimal) -> dict[str, str]:
    return {
        "description": line.description,
        "quantity": _text(line.quantity),
        "unit_price": _text(line.unit_price),
        "discount_percent": _text(line.discount_percent),
        "tax_rate": _text(line.tax_rate),
        "amount": _text(net),
    }


def _text(number: Decimal) -> str:
    return f"{number:f}"


def split_credit(
    amount: Decimal, *, taxes: Sequence[Mapping[str, str]], credited: Sequence[Mapping[str, str]], currency: str
) -> list[TaxOfRate]:
    """`amount`, a total with tax, taken back of an invoice with these `taxes`, of which `credited` is gone already.

    It is spread over the rates in proportion to what is left of each; what takes the last of a rate takes its net and
    tax to the minor unit, so that all credit notes of an invoice add up to it. Raises ValueError for more than is left.
    """
    left = []
    for each in taxes:
        gone = [note for note in credited if Decimal(note["rate"]) == Decimal(each["rate"])]
        net = Decimal(each["net"]) - sum((Decimal(note["net"]) for note in gone), ZERO)
        tax = Decimal(each["tax"]) - sum((Decimal(note["tax"]) for note in gone), ZERO)
        left.append(TaxOfRate(Decimal(each["rate"]), net, tax))
    whole = sum((each.net + each.tax for each in left), ZERO)
    if not ZERO < amount <= whole:
        raise ValueError("more than is left")
    result, spent, passed = [], ZERO, ZERO
    for each in left:
        gross = each.net + each.tax
        passed += gross
        share = rounded(amount * passed / whole, currency) - spent  # of the running sum, so that nothing is lost
        spent += share
        if share == gross:
            net, tax = each.net, each.tax
        else:
            tax = rounded(share * each.tax / gross, currency) if gross else ZERO
            net = share - tax
        if share or net:
            result.append(TaxOfRate(each.rate, net, tax))
    return result
