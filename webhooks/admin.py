from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from config.admin import RecordAdmin, pretty
from webhooks.models import ReceivedCall, RefusedCall


class VerdictFilter(admin.SimpleListFilter):
    title = _("answer")
    parameter_name = "verdict"

    def lookups(self, request, model_admin):
        return [("accepted", _("accepted")), ("refused", _("refused")), ("open", _("not answered"))]

    def queryset(self, request, queryset):
        match self.value():
            case "accepted":
                return queryset.filter(answer__lt=300)
            case "refused":
                return queryset.filter(answer__gte=300)
            case "open":
                return queryset.filter(answer=None)
        return queryset


@admin.register(ReceivedCall)
class ReceivedCallAdmin(RecordAdmin):
    list_display = ("path", "tenant", "reported", "received_on", "verdict")
    list_filter = (VerdictFilter,)
    list_select_related = ("run__tenant",)
    ordering = ("-received_on",)
    exclude = ("headers", "body")
    readonly_fields = ("pretty_headers", "pretty_body")

    @display(description=_("tenant"))
    def tenant(self, call):
        return call.run.tenant

    @display(description=_("reported"))
    def reported(self, call):
        return {"success": _("success"), "failure": _("failure")}.get(call.reported)

    @display(description=_("answer"), label={"accepted": "success", "refused": "danger"})
    def verdict(self, call):
        if call.answer is None:
            return "open", _("not answered")
        return ("accepted" if call.answer < 300 else "refused"), str(call.answer)

    @display(description=_("headers"))
    def pretty_headers(self, call):
        return pretty(call.headers)

    @display(description=_("body"))
    def pretty_body(self, call):
        return pretty(call.body)


@admin.register(RefusedCall)
class RefusedCallAdmin(RecordAdmin):
    list_display = ("tenant", "refused_on", "reason")
    list_select_related = ("tenant",)
    search_fields = ("tenant__name", "tenant__key")
    ordering = ("-refused_on",)
