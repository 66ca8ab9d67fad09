"""What the admin pages of all audited models share: who did it, a delete that only hides, and no costly counts."""

from typing import ClassVar

from django.contrib import admin

from config.serializers import AUDIT_FIELDS


class AuditedAdmin(admin.ModelAdmin):
    show_full_result_count = False
    list_per_page = 50
    ordering: ClassVar = ("-created_on",)

    def get_readonly_fields(self, request, obj=None):
        return (*super().get_readonly_fields(request, obj), "id", *AUDIT_FIELDS)

    def save_model(self, request, obj, form, change):
        obj.modified_by = request.user.pk
        if not change:
            obj.created_by = request.user.pk
            obj.save()
        elif form.changed_data:
            obj.save(update_fields=[*form.changed_data, "modified_by"])

    def get_deleted_objects(self, objs, request):
        """Only what was chosen is hidden; nothing that points to it stands in the way."""
        return [str(each) for each in objs], {self.opts.verbose_name_plural: len(objs)}, set(), []

    def delete_model(self, request, obj):
        type(obj).everything.filter(pk=obj.pk).soft_delete(actor=request.user.pk)

    def delete_queryset(self, request, queryset):
        queryset.soft_delete(actor=request.user.pk)
