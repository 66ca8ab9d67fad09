"""Any sequence of changes of plan, tax and end, and of credit notes: each gives back what stands of the unused days.

Also where the first period was paid before it began, on whichever day that was.
"""

import contextlib
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import prepayment, settlement, subscriptions
from billing.models import Invoice, Subscription
from billing.money import rounded
from billing.periods import local_date, midnight, period_end
from billing.renewals import whole_period_end
from config.errors import Conflict
from tests.conftest import generate
from tests.make import make_plan, make_subscription, make_tenant

pytestmark = pytest.mark.django_db
TODAY = date(2026, 1, 31)
EVENTS = st.one_of(
    st.tuples(st.just("tax_rate"), st.sampled_from([Decimal(0), Decimal(7), Decimal(19)])),
    st.tuples(st.just("end_in"), st.sampled_from([None, 1, 5, 20, 50])),
    st.tuples(st.just("cancel_at_period_end"), st.booleans()),
    st.tuples(st.just("credit"), st.tuples(st.integers(0, 4), st.sampled_from([10, 50, 100]))),
)
PLANS = st.tuples(st.sampled_from([0, 9, 49, 99]), st.sampled_from(["MONTHLY", "MONTHLY", "YEARLY"]))
PAID_FIRST = st.none() | st.tuples(
    st.sampled_from([0, 1, 28, 60]), st.sampled_from([None, 5, 40, 70]), st.sampled_from([0, 0, 50])
)
"""After how many days its tenant is there, when it ends, and how many percent of the first invoice were credited."""
STEPS = st.lists(st.tuples(st.integers(0, 20), EVENTS, PLANS), min_size=2, max_size=6)


class Books:
    """What a customer has paid for each day, with tax, as somebody would work it out who rounds nothing."""

    def __init__(self, subscription: Subscription):
        self.subscription, self.paid, self.seen = subscription, {}, set()

    @property
    def taxed(self) -> Fraction:
        return 1 + Fraction(self.subscription.tax_rate) / 100

    def stands(self) -> Fraction:
        """What was invoiced and neither credited nor kept as credit."""
        self.subscription.refresh_from_db()
        invoices = self.subscription.invoices.all()
        return Fraction(sum(each.amount - each.credited_amount for each in invoices) - self.subscription.credit)

    def run(self, today: date) -> None:
        generate(today)
        self.subscription.refresh_from_db()
        for invoice in self.subscription.invoices.exclude(period_start=None).exclude(id__in=self.seen):
            self.seen.add(invoice.id)
            self.pay(invoice, Fraction(invoice.amount + invoice.credit_taken))

    def pay(self, invoice: Invoice, amount: Fraction) -> None:
        start, end = self.span(invoice)
        for day in days(start, end):
            self.paid[day] = self.paid.get(day, 0) + amount / (end - start).days

    def span(self, invoice: Invoice) -> tuple[date, date]:
        """The days that an invoice charges: where it names none, those of the period that it began with."""
        if invoice.names_days:
            return local_date(invoice.start_date), local_date(invoice.end_date)
        start = self.subscription.start_date
        return local_date(start), period_end(local_date(start), months=1, anchor_day=local_date(start).day)

    def begin(self, today: date, end: date | None) -> None:
        """The tenant is there; what is charged of days after the end is credit."""
        with transaction.atomic():
            subscriptions.activate(subscriptions.locked(self.subscription.id), actor=None)
        (invoice,) = self.subscription.invoices.all()
        self.subscription.refresh_from_db()
        self.seen.add(invoice.id)
        self.pay(invoice, Fraction(invoice.amount - invoice.credited_amount))
        last = self.subscription.next_invoice_on
        assert last == max(min(self.span(invoice)[1], end or date.max), today)
        self.paid = {day: amount for day, amount in self.paid.items() if day < last}
        assert abs(self.stands() - self.unused(today)) < Fraction(2, 100)

    def change(self, today: date, price: Decimal, cycle: str) -> None:
        before, former = self.stands(), self.subscription
        since = max(today, former.period_start or today)
        subscriptions.change_plan(former.id, plan=make_plan(price=price, billing_cycle=cycle), at_once=True, actor=None)
        moved = self.stands() - before
        now = self.subscription
        if now.period_end <= since:
            return  # a period begins today, at the new price
        assert now.ends_on is None or now.period_end <= now.ends_on
        whole = (whole_period_end(now, now.period_start) - now.period_start).days
        back = self.unused(since)
        self.paid = {day: amount for day, amount in self.paid.items() if day < since}
        self.paid |= dict.fromkeys(days(since, now.period_end), Fraction(price) / whole * self.taxed)
        assert abs(moved - (self.unused(since) - back)) < Fraction(6, 100)
        self.seen |= set(now.invoices.values_list("id", flat=True))

    def amend(self, **values) -> None:
        before = self.stands()
        subscriptions.amend(self.subscription.id, values=values, actor=None)
        assert self.stands() == before

    def credit(self, number: int, percent: int) -> None:
        invoices = list(self.subscription.invoices.order_by("-number"))
        invoice = invoices[number % len(invoices)]
        amount = rounded((invoice.amount - invoice.credited_amount) * percent / 100, "EUR")
        if amount:
            with contextlib.suppress(Conflict):  # it was given back, and is spent
                settlement.record_credit(invoice.id, amount=amount, reason="", actor=None)
            self.stands()
            self.paid = {day: min(amount, self.standing(day)) for day, amount in self.paid.items()}

    def standing(self, day: date) -> Fraction:
        """What stands of the invoices of the running period that charge a day, of that day.

        What they charged for the days after the period was given back.
        """
        running = self.subscription
        spans = [
            (each, start, min(end, running.period_end))
            for each in running.invoices.all()
            for start, end in [self.span(each)]
            if start >= running.period_start
        ]
        return sum(Fraction(each.standing) / (end - start).days for each, start, end in spans if start <= day < end)

    def unused(self, since: date) -> Fraction:
        return sum(amount for day, amount in self.paid.items() if day >= since)

    def balance(self, today: date) -> None:
        """Nobody is given more than was charged, nor can be by what is left to be given back."""
        stands, standing = self.stands(), [each.standing for each in self.subscription.invoices.all()]
        assert all(each >= 0 for each in standing)
        assert stands == sum(standing)
        assert self.unused(today) < stands + Fraction(6, 100)


def days(first: date, end: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((end - first).days)]


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(paid_first=PAID_FIRST, steps=STEPS)
def test_gives_back_what_stands_of_the_unused_days_and_charges_those_that_come(clock, paid_first, steps):
    clock(TODAY)
    plan, today = make_plan(price=Decimal("49.90")), TODAY
    if paid_first is None:
        books = Books(make_subscription(plan=plan, tax_rate=Decimal(19)))
    else:
        later, end_in, percent = paid_first
        end = end_in and today + timedelta(days=end_in)
        values = {"tax_rate": Decimal(19), "end_date": end and midnight(end)}
        books = Books(subscriptions.sign(tenant=make_tenant(), plan=plan, actor=None, **values))
        prepayment.ask(books.subscription, actor=None)
        if percent:
            books.credit(0, percent)
        today += timedelta(days=later)
        clock(today)
        books.begin(today, end)
    books.run(today)
    for later, (kind, value), (price, cycle) in steps:
        today += timedelta(days=later)
        clock(today)
        books.run(today)
        if kind == "credit":
            books.credit(*value)
        elif kind == "end_in":
            books.amend(end_date=value and midnight(today + timedelta(days=value)))
        else:
            books.amend(**{kind: value})
        books.run(today)  # what goes on after all
        with contextlib.suppress(Conflict):  # it has ended
            books.change(today, Decimal(price), cycle)
        books.balance(today)
