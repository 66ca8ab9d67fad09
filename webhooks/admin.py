from django.contrib import admin

from provisioning.admin import RecordAdmin
from webhooks.models import ReceivedCall


@admin.register(ReceivedCall)
class ReceivedCallAdmin(RecordAdmin):
    list_display = ("run", "received_on", "answered_on")
    list_select_related = ("run",)
    ordering = ("-received_on",)
