"""What we write in the lines of a document, in its tenant's language; days in the form of a language."""

import datetime

from django.utils.formats import localize_input
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.models import Invoice, Subscription
from config.language import in_language
from tenants.models import Tenant


def day(value: datetime.date) -> str:
    """As it is written in the language of now: 2026-01-31, or 31.01.2026."""
    return localize_input(value)


def services(tenant: Tenant) -> str:
    """The one line of the reference's invoices, which say the period beside it."""
    with in_language(tenant.language):
        return _("Services")


def period(subscription: Subscription, first: datetime.date, last: datetime.date) -> str:
    with in_language(subscription.tenant.language):
        days = {"first": day(first), "last": day(last)}
        return _("%(plan)s, %(first)s to %(last)s") % {"plan": subscription.plan.name, **days}


def first_period(subscription: Subscription) -> str:
    """Of a period that is paid before anybody knows the day it begins on."""
    with in_language(subscription.tenant.language):
        text = ngettext(
            "%(plan)s, first month of service", "%(plan)s, first %(months)s months of service", subscription.months
        )
        return text % {"plan": subscription.plan.name, "months": subscription.months}


def unused_time(subscription: Subscription, first: datetime.date, last: datetime.date) -> str:
    with in_language(subscription.tenant.language):
        return _("Unused time, %(first)s to %(last)s") % {"first": day(first), "last": day(last)}


def credit(subscription: Subscription) -> str:
    with in_language(subscription.tenant.language):
        return _("Credit for unused time")


def rounding(subscription: Subscription) -> str:
    with in_language(subscription.tenant.language):
        return _("Rounding")


def credit_for(invoice: Invoice) -> str:
    with in_language(invoice.buyer.get("language", "")):
        return _("Credit for invoice %(number)s") % {"number": invoice.number}
