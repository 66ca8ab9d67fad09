from typing import ClassVar

from auditlog.mixins import LogEntryAdminMixin
from auditlog.models import LogEntry
from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field
from django.http import Http404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config import audit
from config.admin import BackOfficeAdmin, RecordAdmin, link_to
from config.forms import SeenForm, StrictChoicesField
from config.list_filters import DaysFilter
from identity.models import User

UNNAMED = {
    "add": _("Add"), "change": _("Change"), "delete": _("Delete"), "restore": _("Restore"), "import": _("Import"),
    "export": _("Export"), "change_password": _("Change password"), "onboard": _("Onboard as tenant"),
    "enrol_two_factor": _("Enrol two-factor authentication"), "renew_recovery_codes": _("New recovery codes"),
}  # fmt: skip
"""What is written down of pages that have no button for it."""
VERBS = {
    "add": _("Add"), "change": _("Change"), "delete": _("Delete"), "view": _("View"), "provision": _("Provision"),
}  # fmt: skip

# Their pages show the tokens, and the seeds of second factors, themselves.
admin.site.unregister([BlacklistedToken, OutstandingToken, TOTPDevice])
admin.site.unregister([Group, LogEntry])


class StaffForm(SeenForm, UserChangeForm):
    pass


class PasswordForm(AdminPasswordChangeForm):
    """Saves the password alone: while it is hashed, somebody else may change the rest of the row."""

    def save(self, commit=True):
        user = super().save(commit=False)
        if commit:
            user.save(update_fields=["password"])
        return user


class PermissionsField(StrictChoicesField):
    def label_from_instance(self, permission):
        """Django keeps its names of permissions in the table, in English."""
        verb = permission.codename.partition("_")[0]
        return f"{permission.content_type} | {VERBS.get(verb, permission.name)}"


class GivesPermissions(BackOfficeAdmin):
    def formfield_for_manytomany(self, db_field, request, **kwargs):
        if db_field.related_model is Permission:
            kwargs |= {"form_class": PermissionsField, "queryset": Permission.objects.select_related("content_type")}
        return super().formfield_for_manytomany(db_field, request, **kwargs)


@admin.register(User)
class StaffAdmin(UserAdmin, GivesPermissions):
    form = StaffForm
    add_form = UserCreationForm
    change_password_form = PasswordForm
    autocomplete_fields = ("groups",)
    filter_horizontal = ("user_permissions",)
    list_display = ("username", "email", "is_staff", "is_superuser", "is_active", "last_login")

    def get_readonly_fields(self, request, obj=None):
        """Nobody gives more than they have: superusers alone make superusers, and give permissions beside roles."""
        held = super().get_readonly_fields(request, obj)
        return held if request.user.is_superuser else (*held, "is_superuser", "user_permissions")

    def user_change_password(self, request, id, form_url=""):
        request.before = audit.snapshot(self.get_object(request, unquote(id)))
        return super().user_change_password(request, id, form_url)

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and self._may_touch(request, obj)

    def has_delete_permission(self, request, obj=None):
        return super().has_delete_permission(request, obj) and self._may_touch(request, obj)

    def _may_touch(self, request, obj) -> bool:
        return request.user.is_superuser or obj is None or not obj.is_superuser


@admin.register(Group)
class RoleAdmin(GroupAdmin, GivesPermissions):
    form = SeenForm


@admin.register(LogEntry)
class AuditLogAdmin(LogEntryAdminMixin, RecordAdmin):
    """Who did what, with the difference it made."""

    list_display = ("timestamp", "who", "what", "about", "fields_changed")
    list_select_related = ("actor", "content_type")
    list_filter = (("timestamp", DaysFilter),)
    linked_by: ClassVar = {"content_type", "object_pk"}
    search_fields = ("=object_pk", "=actor__username")
    ordering = ("-timestamp", "-id")
    fields = ("timestamp", "who", "remote_addr", "what", "about", "difference")
    readonly_fields = fields

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), "show_history": False})

    def history_view(self, request, object_id, extra_context=None):
        raise Http404

    @display(description=_("actor"), ordering="actor")
    def who(self, entry):
        """The user; of one who is deleted the name that was written down."""
        if entry.actor is None:
            return (entry.additional_data or {}).get("user")
        return link_to(reverse("admin:identity_user_change", args=[entry.actor_id]), entry.actor.get_username())

    @display(description=_("operation"))
    def what(self, entry):
        """As its button says; what has none, as it was written down."""
        name = (entry.additional_data or {}).get("operation", entry.get_action_display())
        method = getattr(self._page_of(entry), name, None)
        return capfirst(getattr(method, "short_description", UNNAMED.get(name, name.replace("_", " "))))

    @display(description=_("about"))
    def about(self, entry):
        text = f"{capfirst(entry.content_type.name)} {entry.object_repr}"
        page = self._page_of(entry)
        if page is None or not entry.object_pk:
            return text
        name = f"admin:{page.opts.app_label}_{page.opts.model_name}_change"
        return link_to(reverse(name, args=[quote(entry.object_pk)]), text)

    def _page_of(self, entry) -> admin.ModelAdmin | None:
        model = entry.content_type.model_class()
        return self.admin_site.get_model_admin(model) if self.admin_site.is_registered(model) else None

    @display(description=_("changed"))
    def fields_changed(self, entry):
        return capfirst(", ".join(self._label(entry, name) for name in entry.changes_dict)) or None

    @display(description=_("changes"))
    def difference(self, entry):
        """The library's own table writes a field's name in lower case, which a German noun has not."""
        rows = [(capfirst(self._label(entry, name)), *self._values(entry, name)) for name in entry.changes_dict]
        return render_to_string("backoffice/changes.html", {"changes": rows}) if rows else None

    def _values(self, entry, name: str) -> list[str]:
        """What the field was and is; as it was written down, where there is none of the name any more."""
        values, field, page = entry.changes_dict[name], self._field(entry, name), self._page_of(entry)
        if field is None or page is None:
            return values
        held = (entry.additional_data or {}).get("currency")
        currencies = entry.changes_dict.get("currency_code", [held, held])
        return [page.spoken(field, value, currency) for value, currency in zip(values, currencies, strict=True)]

    def _label(self, entry, name: str) -> str:
        """What the field is called for people; as it was written down, where there is none of the name any more."""
        field = self._field(entry, name)
        return name if field is None else str(field.verbose_name)

    @staticmethod
    def _field(entry, name: str) -> Field | None:
        try:
            return entry.content_type.model_class()._meta.get_field(name)
        except (AttributeError, FieldDoesNotExist):
            return None
