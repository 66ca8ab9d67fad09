from django.contrib import admin

from provisioning.admin import RecordAdmin
from webhooks.models import ReceivedCall, RefusedCall


@admin.register(ReceivedCall)
class ReceivedCallAdmin(RecordAdmin):
    list_display = ("path", "run", "received_on", "answer")
    list_filter = ("answer",)
    list_select_related = ("run",)
    ordering = ("-received_on",)


@admin.register(RefusedCall)
class RefusedCallAdmin(RecordAdmin):
    list_display = ("tenant", "minute", "reason")
    list_select_related = ("tenant",)
    ordering = ("-minute",)
