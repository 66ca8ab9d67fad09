"""What all admin pages share: unfold's look, lists that stay quick, who did it, and a delete that only hides."""

import json
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import BadRequest, ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.http import HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from config import audit
from config.actors import names_of
from config.errors import violated_constraint
from config.forms import (
    AuditedForm,
    PartFormSet,
    SeenForm,
    StrictChoiceField,
    StrictChoicesField,
    StrictEmailField,
    StrictJSONField,
)
from config.list_filters import DeletedFilter
from config.models import AuditedModel


class KnownLookups(ChangeList):
    """A list that is narrowed by its filters and by our own links. Django's would take any lookup of any column from
    the address: a way to guess what no page shows, and a 500 for values that the database cannot compare."""

    def get_filters(self, request):
        if any("\0" in value for values in self.filter_params.values() for value in values):
            raise IncorrectLookupParameters
        _, _, left_over, *_ = found = super().get_filters(request)
        if not left_over.keys() <= self.model_admin.linked_by:
            raise IncorrectLookupParameters
        for name, values in left_over.items():
            column = self.lookup_opts.get_field(name)
            try:
                [(column.target_field if column.is_relation else column).clean(value, None) for value in values]
            except ValidationError as error:
                raise IncorrectLookupParameters from error
        return found


class BackOfficeAdmin(ModelAdmin):
    """Counts nothing but what a filter left, and never the whole table. What is saved here is in the audit log."""

    show_full_result_count = False
    list_per_page = 50
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER  # each would count the table once for every choice of every filter
    warn_unsaved_form = True
    formfield_overrides: ClassVar = {
        models.ForeignKey: {"form_class": StrictChoiceField},
        models.ManyToManyField: {"form_class": StrictChoicesField},
        models.JSONField: {"form_class": StrictJSONField},
        models.EmailField: {"form_class": StrictEmailField},
        models.URLField: {"assume_scheme": "https"},  # which Django assumes from 6.0 on
    }
    linked_by: ClassVar[set[str]] = set()
    """Lookups of links to the list, beside its filters."""
    looked_at: ClassVar[dict[str, str | None]] = {}
    """What who may only look sees in place of a field; None for nothing."""

    def get_changelist(self, request, **kwargs):
        return KnownLookups

    def get_search_results(self, request, queryset, search_term):
        """An autocompletion's term comes as it was sent; no row holds a NUL."""
        if "\0" in search_term:
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        if request.method == "POST" and object_id is not None:
            request.before = audit.snapshot(self.get_object(request, unquote(object_id)))
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_fields(self, request, obj=None):
        fields = super().get_fields(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return fields
        return [name for name in (self.looked_at.get(each, each) for each in fields) if name]

    def get_fieldsets(self, request, obj=None):
        """With `seen`, on a page that saves over what is there."""
        (title, options), *others = super().get_fieldsets(request, obj)
        fields = [name for name in options["fields"] if name != "seen"]
        if obj is not None and issubclass(self.form, SeenForm) and self.has_change_permission(request, obj):
            fields.append("seen")
        return [(title, {**options, "fields": fields}), *others]

    def response_action(self, request, queryset):
        """An action on the chosen ids, all or none of it; what is no id, which no page sends, is refused."""
        for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.clean(chosen, None)
            except ValidationError as error:
                raise BadRequest from error
        with transaction.atomic():
            return super().response_action(request, queryset)

    def spoken(self, field: models.Field, value: str, currency: str | None) -> str:
        """A value that the audit log has of a field of the page's model, as people read it. The row had `currency`."""
        return audit.spoken(field, value)

    def log_addition(self, request, obj, message):
        audit.record(request, obj, what="add", before={}, after=audit.snapshot(obj))

    def log_change(self, request, obj, message):
        before = getattr(request, "before", {})
        audit.record(request, obj, what="change", before=before, after=audit.snapshot(obj))

    def log_deletions(self, request, queryset):
        """Django says so before it deletes: behind a lock, what somebody else has deleted meanwhile is theirs."""
        for obj in sorted(queryset, key=lambda each: each.pk):
            before = audit.snapshot(obj, lock=True)
            if before and before.get("deleted") != "True":
                audit.record(request, obj, what="delete", before=before, after={})

    def history_view(self, request, object_id, extra_context=None):
        """The audit log of the object."""
        kind = ContentType.objects.get_for_model(self.model)
        query = urlencode({"content_type": kind.pk, "object_pk": unquote(object_id)})
        return HttpResponseRedirect(f"{reverse('admin:auditlog_logentry_changelist')}?{query}")


RECORD = ("id", "created_on", "maker", "modified_on", "changer")
DELETION = ("deleted_on", "remover")


def once(shown: Callable) -> Callable:
    """Make a method `(self, obj)` work out what it shows once for each object: unfold asks seven times for a field."""

    @wraps(shown)
    def kept(self, obj):
        name = f"_{shown.__name__}_shown"
        if name not in vars(obj):
            setattr(obj, name, shown(self, obj))
        return getattr(obj, name)

    return kept


class AuditedAdmin(BackOfficeAdmin):
    """The page of an `AuditedModel`."""

    form = AuditedForm
    ordering: ClassVar = ("-created_on",)
    actions: Any = ("restore_selected",)
    delete_confirmation_template = delete_selected_confirmation_template = "backoffice/delete.html"
    change_form_outer_before_template = "backoffice/deleted.html"
    outlives: Any = ""
    """What goes on though the object is deleted, told to who deletes it."""

    def get_list_filter(self, request):
        return (*super().get_list_filter(request), DeletedFilter)

    def get_list_display(self, request):
        """With what tells the deleted from the others, where the list has some."""
        first, *others = super().get_list_display(request)
        return [first, *(["deleted_badge"] if DeletedFilter.parameter_name in request.GET else []), *others]

    @display(description=_("deleted"), label={"deleted": "danger"})
    def deleted_badge(self, obj):
        return ("deleted", _("deleted")) if obj.deleted else None

    def get_search_results(self, request, queryset, search_term):
        """Nothing that is deleted is offered to be chosen."""
        chosen_from = queryset.alive() if request.path == reverse("admin:autocomplete") else queryset
        return super().get_search_results(request, chosen_from, search_term)

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        """Nothing that is deleted can be chosen; what the object points to already stays."""
        if issubclass(db_field.related_model, AuditedModel):
            choices = Q(deleted=False)
            if request.resolver_match and "object_id" in request.resolver_match.kwargs:
                mine = self.model.everything.filter(pk=unquote(request.resolver_match.kwargs["object_id"]))
                choices |= Q(pk__in=mine.values(db_field.attname))
            kwargs.setdefault("queryset", db_field.related_model.everything.filter(choices))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_change_permission(self, request, obj=None):
        """What is deleted is restored first."""
        return super().has_change_permission(request, obj) and not (obj is not None and obj.deleted)

    def has_delete_permission(self, request, obj=None):
        """What is deleted is so already."""
        return super().has_delete_permission(request, obj) and not (obj is not None and obj.deleted)

    def get_readonly_fields(self, request, obj=None):
        return (*super().get_readonly_fields(request, obj), *RECORD, *DELETION)

    def get_fieldsets(self, request, obj=None):
        """Its own fields first, the bookkeeping behind a tab."""
        (title, options), *others = super().get_fieldsets(request, obj)
        fields = [name for name in options["fields"] if name not in (*RECORD, *DELETION)]
        kept = (*RECORD, *DELETION) if obj is not None and obj.deleted else RECORD
        record = [(_("Record"), {"fields": kept, "classes": ["tab"]})] if obj else []
        return [(title, {**options, "fields": fields}), *others, *record]

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """What somebody else has taken between the form's check and its saving is told, and nothing is saved."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError as error:
            constraint = violated_constraint(error)
            if constraint is None:
                raise
            self.message_user(request, str(constraint.violation_error_message), messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    @display(description=_("created by"))
    def maker(self, obj):
        return self._named(obj, obj.created_by)

    @display(description=_("modified by"))
    def changer(self, obj):
        return self._named(obj, obj.modified_by)

    @display(description=_("deleted by"))
    def remover(self, obj):
        return self._named(obj, obj.deleted_by)

    def _named(self, obj, actor: uuid.UUID | None) -> str:
        """The name of an actor who has one here, else the id that its token gave."""
        return self._names(obj).get(actor) or str(actor or "–")

    @once
    def _names(self, obj):
        return names_of((obj.created_by, obj.modified_by, obj.deleted_by))

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

    def delete_view(self, request, object_id, extra_context=None):
        return super().delete_view(request, object_id, {**(extra_context or {}), "outlives": self.outlives})

    def response_action(self, request, queryset):
        answer = super().response_action(request, queryset)
        if isinstance(answer, TemplateResponse):
            answer.context_data["outlives"] = self.outlives
        return answer

    def delete_model(self, request, obj):
        type(obj).everything.filter(pk=obj.pk).soft_delete(actor=request.user.pk)

    def delete_queryset(self, request, queryset):
        queryset.lock()
        queryset.soft_delete(actor=request.user.pk)

    def restorable(self, queryset):
        return queryset.filter(deleted=True)

    @admin.action(description=_("Restore the selected"), permissions=["delete"])
    def restore_selected(self, request, queryset):
        """Bring deleted rows back, all or none: one whose place is taken meanwhile is named."""
        try:
            with transaction.atomic():
                # Behind a lock: what somebody else restores at the same time is theirs.
                chosen = self.restorable(queryset).order_by("id").select_for_update(of=("self",))
                found = [(each, audit.snapshot(each)) for each in chosen]
                restored = self.restorable(queryset).restore(actor=request.user.pk)
                for each, before in found:
                    audit.record(request, each, what="restore", before=before, after=audit.snapshot(each))
        except IntegrityError as error:
            constraint = violated_constraint(error)
            if constraint is None:
                raise
            self.message_user(request, str(constraint.violation_error_message), messages.ERROR)
            return
        self.message_user(
            request, ngettext("%(count)d was restored.", "%(count)d were restored.", restored) % {"count": restored}
        )


def breakable(name: str) -> str:
    """A name that may be broken after each of its words: the longest would push a column out of the window."""
    return format_html_join(mark_safe("_<wbr>"), "{}", ((word,) for word in name.split("_")))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def in_lines(column: str, description: Any) -> Callable:
    """A column with a list or an object, as a list of its values or of its names with their values."""

    @display(description=description)
    def shown(self, obj):
        held = getattr(obj, column)
        if isinstance(held, dict):
            held = [f"{name}: {_plain(value)}" for name, value in held.items()]
        lines = [_plain(each) for each in held] if isinstance(held, list) else [_plain(held)]
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((each,) for each in lines or "–")))

    return shown


def pretty(value: Any) -> str:
    """JSON to be read by people."""
    return format_html('<pre class="json">{}</pre>', json.dumps(value, indent=2, ensure_ascii=False))


def badge(text: Any, kind: str) -> SafeString:
    """On a page what unfold's label is in a list, in the colour of `kind`."""
    return render_to_string("unfold/helpers/label.html", {"text": text, "type": kind})


def link_to(address: str, text: Any) -> SafeString:
    return format_html('<a href="{}" class="text-link">{}</a>', address, text)


def link(obj: models.Model, text: Any = None) -> SafeString:
    """To the page of `obj`, by its own name unless `text` is another."""
    address = reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])
    return link_to(address, text or obj)


class LookedAt:
    """Permissions of what is not for editing: what is written here has consequences that an operation knows."""

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class RecordAdmin(LookedAt, BackOfficeAdmin):
    """The page of what the service wrote by itself. Such tables have millions of rows: pages are not counted."""

    paginator = InfinitePaginator


class PartInline(LookedAt, TabularInline):
    """What belongs to an object, as a tab on its page; each row leads to its own page, where it can be changed."""

    formset = PartFormSet
    tab = True
    extra = 0
    per_page = 20
    show_change_link = True
    hide_title = True

    def get_readonly_fields(self, request, obj=None):
        return self.fields

    def get_queryset(self, request):
        queryset = super().get_queryset(request)
        return queryset.alive() if hasattr(queryset, "alive") else queryset
