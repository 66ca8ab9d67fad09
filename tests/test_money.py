"""Arithmetic with money and days, by properties: nothing is made and nothing is lost."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing.money import minor_units, rounded
from billing.periods import local_date, midnight, period_end
from billing.proration import unused, used
from billing.totals import Line, coming_to, split_credit, totals, with_tax

quick = settings(max_examples=150)
CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KWD", "CLP"])
PERCENT = st.decimals(0, 100, places=3)
LINES = st.lists(
    st.builds(
        Line,
        description=st.just("x"),
        unit_price=st.decimals(0, 99_999, places=6),
        quantity=st.decimals(0, 999, places=4),
        discount_percent=PERCENT,
        tax_rate=st.sampled_from([Decimal(0), Decimal(7), Decimal("19.000"), Decimal("8.125"), Decimal(100)]),
    ),
    min_size=1,
    max_size=12,
)


def test_minor_units_are_those_of_iso_4217():
    assert [minor_units(code) for code in ("JPY", "EUR", "KWD")] == [0, 2, 3]
    for code in ("XAU", "ZZZ", "eur", ""):
        with pytest.raises(ValueError):
            minor_units(code)


def test_halves_are_rounded_away_from_zero():
    assert [rounded(Decimal(text), "EUR") for text in ("1.005", "2.675", "-1.005", "1.0049")] == [
        Decimal("1.01"), Decimal("2.68"), Decimal("-1.01"), Decimal("1.00"),
    ]  # fmt: skip


@quick
@given(lines=LINES, currency=CURRENCIES)
def test_lines_and_taxes_add_up_to_the_total_to_the_last_minor_unit(lines, currency):
    found = totals(lines, currency)
    nets = [Decimal(line["amount"]) for line in found.lines]
    taxes = [Decimal(tax["tax"]) for tax in found.taxes]
    assert sum(nets) + sum(taxes) == found.total == found.subtotal + found.tax_total
    assert sum(Decimal(tax["net"]) for tax in found.taxes) == found.subtotal
    assert all(amount == rounded(amount, currency) for amount in (*nets, *taxes, found.total))
    for tax in found.taxes:
        exact = Decimal(tax["net"]) * Decimal(tax["rate"]) / 100
        assert abs(Decimal(tax["tax"]) - exact) <= Decimal(1).scaleb(-minor_units(currency)) / 2


@quick
@given(
    lines=LINES, currency=CURRENCIES, rate=PERCENT, units=st.integers(0, 9_999_999),
)  # fmt: skip
def test_lines_are_brought_to_any_total_by_one_that_leaves_a_minor_unit_at_most_to_rounding(
    lines, currency, rate, units
):
    unit = Decimal(1).scaleb(-minor_units(currency))
    found = coming_to(units * unit, lines, Line("last", Decimal(1), tax_rate=rate), rounding="rest", currency=currency)
    assert totals(found, currency).total == units * unit
    assert found[: len(lines) + 1] == [*lines, found[len(lines)]]
    assert [(line.description, abs(line.unit_price), line.tax_rate) for line in found[len(lines) + 1 :]] in (
        [], [("rest", unit, 0)],
    )  # fmt: skip


def test_only_a_total_that_no_net_amount_comes_to_is_rounded():
    cents = [Decimal(number) / 100 for number in range(500)]
    reached = {with_tax(net, Decimal(19), "EUR") for net in cents}
    for total in cents:
        lines = coming_to(total, [], Line("x", Decimal(0), tax_rate=Decimal(19)), rounding="rest", currency="EUR")
        assert (len(lines) == 1) == (total in reached), total


@quick
@given(lines=LINES, currency=CURRENCIES, cuts=st.lists(st.integers(1, 99), max_size=5))
def test_credit_notes_add_up_to_their_invoice_rate_by_rate(lines, currency, cuts):
    invoice = totals(lines, currency)
    credited, left = [], invoice.total
    for cut in [*cuts, 100]:
        amount = left if cut == 100 else rounded(left * cut / 100, currency)
        if amount <= 0:
            continue
        parts = split_credit(amount, taxes=invoice.taxes, credited=credited, currency=currency)
        assert sum(part.net + part.tax for part in parts) == amount
        credited += [{"rate": str(part.rate), "net": str(part.net), "tax": str(part.tax)} for part in parts]
        left -= amount
    for tax in invoice.taxes:
        for name in ("net", "tax"):
            notes = [Decimal(each[name]) for each in credited if Decimal(each["rate"]) == Decimal(tax["rate"])]
            assert sum(notes) == Decimal(tax[name])
    with pytest.raises(ValueError):
        split_credit(Decimal(1), taxes=invoice.taxes, credited=credited, currency=currency)


DAYS = st.dates(date(2000, 1, 1), date(2099, 12, 31))


@quick
@given(start=DAYS, length=st.integers(1, 366), price=st.decimals(0, 99_999, places=3), currency=CURRENCIES,
       cuts=st.lists(st.integers(0, 366), max_size=8))  # fmt: skip
def test_a_period_cut_at_any_days_costs_its_price(start, length, price, currency, cuts):
    price, end = rounded(price, currency), start + timedelta(days=length)
    days = sorted({start, end, *(start + timedelta(days=min(cut, length)) for cut in cuts)})
    pieces = [
        used(price, currency, start=start, end=end, until=last)
        - used(price, currency, start=start, end=end, until=first)
        for first, last in zip(days, days[1:], strict=False)
    ]
    assert sum(pieces) == price
    assert all(piece >= 0 for piece in pieces)
    for day in days:
        args = {"start": start, "end": end}
        assert used(price, currency, until=day, **args) + unused(price, currency, since=day, **args) == price


@quick
@given(start=DAYS, months=st.sampled_from([1, 3, 12]))
def test_periods_follow_each_other_without_overlap_or_hole_and_keep_their_day(start, months):
    first = start
    for number in range(1, 40):
        end = period_end(first, months=months, anchor_day=start.day)
        assert end > first
        assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == number * months
        last_of_month = (end.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        assert end.day == min(start.day, last_of_month.day)
        first = end


@pytest.mark.parametrize(
    ("start", "months", "expected"),
    [
        (date(2023, 1, 31), 1, ["2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31"]),
        (date(2024, 1, 31), 1, ["2024-02-29", "2024-03-31", "2024-04-30"]),
        (date(2024, 2, 29), 12, ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        (date(2025, 11, 30), 3, ["2026-02-28", "2026-05-30", "2026-08-30"]),
    ],
)
def test_month_ends_and_leap_years(start, months, expected):
    found, day = [], start
    for _ in expected:
        day = period_end(day, months=months, anchor_day=start.day)
        found.append(day.isoformat())
    assert found == expected


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles", "Europe/Berlin", "Asia/Beirut"])
def test_days_are_those_of_the_time_zone_also_when_its_clocks_change(zone, settings):
    settings.BILLING_TIME_ZONE = zone
    day = date(2026, 1, 1)
    while day.year == 2026:
        assert local_date(midnight(day)) == day
        assert local_date(midnight(day) - timedelta(seconds=1)) == day - timedelta(days=1)
        day += timedelta(days=1)


def test_a_moment_lies_on_the_day_of_the_zone(settings):
    moment = datetime(2026, 1, 31, 23, 30, tzinfo=UTC)
    assert local_date(moment) == date(2026, 1, 31)
    settings.BILLING_TIME_ZONE = "Europe/Berlin"
    assert local_date(moment) == date(2026, 2, 1)


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "America/Los_Angeles"])
def test_the_first_and_the_last_moment_of_the_calendar_have_a_day_in_every_zone(zone, settings):
    settings.BILLING_TIME_ZONE = zone
    assert local_date(datetime.min.replace(tzinfo=UTC)) == date.min
    assert local_date(datetime.max.replace(tzinfo=UTC)) == date.max
