"""What staff can do to an object on its page: a button, a page that asks, and the function that the API calls.

An operation is a method of an admin page, named in its `actions_detail` (or, where it makes something new, in
`actions_list`). It needs one of the permissions behind the API's codes; without it there is neither button nor address.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException
from unfold.enums import ActionVariant
from unfold.widgets import INPUT_CLASSES, SELECT_CLASSES

from config import audit
from config.admin import AuditedAdmin, BackOfficeAdmin
from config.errors import Conflict, envelope, violated_constraint
from identity.permissions import DJANGO_PERMISSIONS


def may(user, *codes: str) -> bool:
    """Whether the user has the permission behind one of `codes`."""
    return any(user.has_perm(DJANGO_PERMISSIONS[code]) for code in codes)


class OperationForm(forms.Form):
    """What an operation asks for; `obj` is what it is about."""

    def __init__(self, *args, obj: Any, **kwargs):
        super().__init__(*args, **kwargs)
        self.obj = obj
        for field in self.fields.values():
            if not isinstance(field.widget, forms.CheckboxInput):
                classes = SELECT_CLASSES if isinstance(field.widget, forms.Select) else INPUT_CLASSES
                field.widget.attrs["class"] = " ".join(classes)


def operation(
    label: Any,
    *,
    codes: tuple[str, ...] = (),
    verb: str = "",
    icon: str,
    asks: Any = "",
    form: type[OperationForm] = OperationForm,
    when: Callable[[Any], bool] = lambda obj: True,
    destroys: bool = False,
    calls_out: bool = False,
    downloads: bool = False,
) -> Callable:
    """Make a method `(self, request, obj, **values)` an operation; it returns what to tell, or a response.

    Without `codes`, `verb` is that of the model's own permission. `when` says of which objects it makes sense; `asks`
    is the sentence of its page. `calls_out` is for what calls another service, which no transaction may be open for.
    What `downloads` returns a file and changes nothing: there is nothing to ask, the button gets it.
    """

    def is_for(page: BackOfficeAdmin, user) -> bool:
        return may(user, *codes) if codes else user.has_perm(f"{page.opts.app_label}.{verb}_{page.opts.model_name}")

    def decorate(method: Callable) -> Callable:
        @wraps(method)
        def view(self, request: HttpRequest, object_id: str | None = None) -> HttpResponse:
            if not is_for(self, request.user):
                raise PermissionDenied
            obj = None if object_id is None else self.get_object(request, unquote(object_id))
            if obj is None and object_id is not None:
                raise Http404
            page = _page_of(self, obj)
            if not when(obj):
                self.message_user(request, _("%s: this is not possible now.") % label, messages.ERROR)
                return HttpResponseRedirect(page)
            asked = form(request.POST if request.method == "POST" else None, obj=obj)
            if downloads or (request.method == "POST" and asked.is_valid()):
                told = _perform(self, request, obj, {} if downloads else asked.cleaned_data)
                if isinstance(told, HttpResponse):
                    return told
                if told is not None:
                    self.message_user(request, told, messages.SUCCESS)
                return HttpResponseRedirect(_page_of(self, obj))
            return question(self, request, title=label, asks=asks, destroys=destroys, back=page, object=obj, form=asked)

        def _perform(self, request, obj, values) -> Any:
            """What the method tells; None where it was refused, which is told at once."""
            try:
                with nullcontext() if calls_out or downloads else transaction.atomic():
                    before = audit.snapshot(obj)
                    told = method(self, request, obj, **values)
                    if obj is not None:
                        audit.record(request, obj, what=method.__name__, before=before, after=audit.snapshot(obj))
                    return told
            except APIException as error:
                refusal = envelope(error)["error"]["message"]
            except IntegrityError as error:
                constraint = violated_constraint(error)
                if constraint is None:
                    raise
                refusal = str(constraint.violation_error_message)
            self.message_user(request, refusal, messages.ERROR)
            return None

        view.short_description, view.icon, view.attrs, view.dialog = label, icon, {}, None
        view.variant = ActionVariant.DANGER if destroys else ActionVariant.DEFAULT
        view.url_path = method.__name__.replace("_", "-")
        view.is_for, view.when = is_for, when
        return view

    return decorate


def question(
    page: BackOfficeAdmin, request: HttpRequest, *, title: Any, asks: Any, destroys: bool, back: str, **shown: Any
) -> HttpResponse:
    """The page that asks before something is done, with a button to do it and a way `back`."""
    context = {
        **page.admin_site.each_context(request), "title": title, "opts": page.opts, "asks": asks, "destroys": destroys,
        "back": back, **shown,
    }  # fmt: skip
    return TemplateResponse(request, "backoffice/operation.html", context)


def question_of_chosen(page: BackOfficeAdmin, request: HttpRequest, **shown: Any) -> HttpResponse | None:
    """What asks before an action on chosen rows; its button sends the choice once more. None once it was pressed."""
    if "confirm" in request.POST:
        return None
    sent = [
        (name, value)
        for name in ("action", "select_across", ACTION_CHECKBOX_NAME)
        for value in request.POST.getlist(name)
    ]
    return question(page, request, **shown, back=request.get_full_path(), sent=sent)


def _page_of(page: BackOfficeAdmin, obj: Model | None) -> str:
    name = f"admin:{page.opts.app_label}_{page.opts.model_name}"
    return reverse(f"{name}_changelist") if obj is None else reverse(f"{name}_change", args=[obj.pk])


class OperatingAdmin(BackOfficeAdmin):
    """A page with operations: those that the user may do, and that make sense now."""

    def get_actions_detail(self, request, object_id):
        obj = self.get_object(request, unquote(str(object_id)))
        return [
            each
            for each in self._get_base_actions_detail()
            if obj is not None and each.method.is_for(self, request.user) and each.method.when(obj)
        ]

    def get_actions_list(self, request):
        return [each for each in self._get_base_actions_list() if each.method.is_for(self, request.user)]


def restoring(*, asks: Any, when: Callable[[Any], bool] = lambda obj: True) -> Callable:
    """The operation that brings a deleted object back, by who may delete it."""

    @operation(
        _("Restore"), verb="delete", icon="restore_from_trash", when=lambda obj: obj.deleted and when(obj), asks=asks
    )
    def restore(self, request, obj):
        if not self.restorable(type(obj).everything.filter(pk=obj.pk)).restore(actor=request.user.pk):
            raise Conflict(_("%s: this is not possible now.") % _("Restore"))
        return _("It is restored.")

    return restore


class RestoringAdmin(OperatingAdmin, AuditedAdmin):
    """The page of an `AuditedModel` that may be deleted, and brought back."""

    actions_detail: Any = ("restore",)
    restore = restoring(asks=_("It is in the lists again, as it was."))
