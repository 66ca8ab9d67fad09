"""Filters of the back-office's lists."""

from datetime import datetime, time

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.utils import parse_date_str


class DeletedFilter(admin.SimpleListFilter):
    """What is deleted stays out of the list until it is asked for."""

    title = _("deleted")
    parameter_name = "deleted"

    def lookups(self, request, model_admin):
        return [("yes", _("Deleted only")), ("all", _("With deleted"))]

    def queryset(self, request, queryset):
        match self.value():
            case "all":
                return queryset
            case "yes":
                return queryset.filter(deleted=True)
        return queryset.alive()

    def choices(self, changelist):
        everything, *others = super().choices(changelist)
        return [{**everything, "display": _("Not deleted")}, *others]


class DaysFilter(RangeDateFilter):
    """From a day to a day, both included, of a column of moments: unfold's own compares it with naive midnights."""

    def queryset(self, request, queryset):
        first, last = self._moment("from", time.min), self._moment("to", time.max)
        if first is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": first})
        if last is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__lte": last})
        return queryset

    def _moment(self, end: str, at: time) -> datetime | None:
        """The day at that time; None for none, or what is none."""
        day = parse_date_str(self.used_parameters.get(f"{self.parameter_name}_{end}") or "")
        return None if day is None else timezone.make_aware(datetime.combine(day, at))


class KnownValuesFilter(admin.SimpleListFilter):
    """A filter of a text column by values that the code knows: asking the table for them would read all of it."""

    def values(self) -> list[str]:
        raise NotImplementedError

    def lookups(self, request, model_admin):
        return [(value, value) for value in self.values()]

    def queryset(self, request, queryset):
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset
