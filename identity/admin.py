from auditlog.mixins import LogEntryAdminMixin
from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config.admin import BackOfficeAdmin, DaysFilter, RecordAdmin
from identity.models import User

# Their pages show the tokens, and the seeds of second factors, themselves.
admin.site.unregister([BlacklistedToken, OutstandingToken, TOTPDevice])
admin.site.unregister([Group, LogEntry])


@admin.register(User)
class StaffAdmin(UserAdmin, BackOfficeAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_staff", "is_superuser", "is_active", "last_login")

    def get_readonly_fields(self, request, obj=None):
        """Nobody gives more than they have: superusers alone make superusers, and give permissions beside roles."""
        held = super().get_readonly_fields(request, obj)
        return held if request.user.is_superuser else (*held, "is_superuser", "user_permissions")

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request, obj=None):
        return super().has_delete_permission(request, obj) and self._may_touch(request, obj)

    def _may_touch(self, request, obj) -> bool:
        return request.user.is_superuser or obj is None or not obj.is_superuser


@admin.register(Group)
class RoleAdmin(GroupAdmin, BackOfficeAdmin):
    pass


@admin.register(LogEntry)
class AuditLogAdmin(LogEntryAdminMixin, RecordAdmin):
    """Who did what, with the difference it made."""

    list_display = ("timestamp", "actor", "what", "content_type", "object_repr", "fields_changed")
    list_select_related = ("actor", "content_type")
    list_filter = (("timestamp", DaysFilter),)
    search_fields = ("=object_pk", "=actor__username")
    ordering = ("-timestamp", "-id")
    fields = ("timestamp", "actor", "remote_addr", "what", "resource_url", "msg")
    readonly_fields = fields

    def history_view(self, request, object_id, extra_context=None):
        raise Http404

    @display(description=_("operation"))
    def what(self, entry):
        return (entry.additional_data or {}).get("operation", entry.get_action_display())

    @display(description=_("changed"))
    def fields_changed(self, entry):
        return ", ".join(entry.changes_dict)
