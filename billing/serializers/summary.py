"""The dashboard's sums on the wire."""

from rest_framework import serializers

from config.fields import Number
from config.serializers import Serializer


def _amount(**kwargs) -> Number:
    return Number(max_digits=20, decimal_places=3, **kwargs)


class MonthSerializer(Serializer):
    month = serializers.CharField(help_text="YYYY-MM, in BILLING_TIME_ZONE.")
    issued_count = serializers.IntegerField(min_value=0)
    issued = _amount(help_text="The totals of what was issued, with tax.")
    credited = _amount(help_text="Taken back by credit notes.")
    paid = _amount(help_text="Received, less what was paid back.")
    overdue = _amount(help_text="Of what was due in the month, what is overdue now.")
    mrr = _amount(help_text="Monthly recurring revenue on the month's last day, net, at that day's prices.")


class CurrencySerializer(Serializer):
    currency_code = serializers.CharField()
    open_count = serializers.IntegerField(min_value=0)
    open = _amount(help_text="Of issued invoices, not yet paid.")
    overdue_count = serializers.IntegerField(min_value=0)
    overdue = _amount()
    months = MonthSerializer(many=True)


class SummarySerializer(Serializer):
    currencies = CurrencySerializer(many=True)
