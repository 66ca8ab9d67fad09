"""The pages of the admin that give a list as a file, and take a file: django-import-export's, made strict."""

import logging
import tempfile

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth import get_permission_codename
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.http import FileResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from import_export.admin import ExportMixin, ImportExportMixin
from import_export.forms import ConfirmImportForm
from import_export.tmp_storages import CacheStorage
from unfold.contrib.import_export.forms import ExportForm, ImportForm

from config import audit
from config.sheets import Sheet
from config.spreadsheets import FORMATS, MAX_BYTES, Unreadable

logger = logging.getLogger(__name__)

SPOOLED = 1024 * 1024
"""How many bytes of an export are kept in memory, before they go to a file."""


class UploadStorage(CacheStorage):
    """Where a file waits for its confirmation: where every process finds it, and not for long."""

    CACHE_LIFETIME = 900

    def read(self):
        """What is kept. Raises Unreadable."""
        content = super().read()
        if content is None:
            raise Unreadable(
                _("The file has been imported already, or is not kept any more: look at the list before you try again.")
            )
        return content

    def take(self) -> None:
        """Remove it, which one alone can do of several that have read it. Raises Unreadable for the others."""
        if not cache.delete(self.CACHE_PREFIX + self.name):
            raise Unreadable(_("The file is being imported already."))


class UploadForm(ImportForm):
    def clean_import_file(self):
        file = self.cleaned_data["import_file"]
        if file.size > MAX_BYTES:
            raise ValidationError(_("The file is larger than %d MB.") % (MAX_BYTES // 1024**2))
        return file


class ConfirmForm(ConfirmImportForm):
    """What the preview sends back; the library reads both numbers unasked."""

    format = forms.ChoiceField(widget=forms.HiddenInput, choices=[(str(n), n) for n in range(len(FORMATS))])
    resource = forms.ChoiceField(widget=forms.HiddenInput, choices=[("0", 0)], required=False)

    def clean_import_file_name(self):
        name = super().clean_import_file_name()
        try:
            UploadStorage(name=name).read()
        except Unreadable as error:
            raise ValidationError(str(error)) from error
        return name


class ExportAdmin(ExportMixin):
    """A list that can be had as a file, filtered as it is, by whoever may see it."""

    sheet: type[Sheet]
    export_form_class = ExportForm
    export_formats = import_formats = FORMATS

    def has_export_permission(self, request):
        return self.has_view_permission(request)

    def get_resource_classes(self, request):
        return [self.sheet]

    def get_resource_kwargs(self, request, *args, **kwargs):
        return {"request": request}

    def get_valid_export_item_pks(self, request):
        return ()  # files are of lists, not of chosen rows: the library would read every id

    def export_action(self, request):
        try:
            answer = super().export_action(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(f"{self._address('changelist')}?e=1")
        if isinstance(answer, TemplateResponse):
            answer.context_data["fields_list"] = [(self.sheet.get_display_name(), list(self.sheet.columns))]
        return answer

    def _do_file_export(self, file_format, request, queryset, export_form=None):
        file = tempfile.SpooledTemporaryFile(SPOOLED)  # noqa: SIM115  (the response closes it)
        file_format.write(file, self.sheet(request=request).rows(queryset))
        file.seek(0)
        audit.record_export(request, self.model, query=request.GET.urlencode())
        name = self.get_export_filename(request, queryset, file_format)
        return FileResponse(
            file, as_attachment=True, filename=name, content_type=file_format.get_content_type(),
            headers={"Cache-Control": "private, no-store"},
        )  # fmt: skip

    def _address(self, page: str) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_{page}")


class ExchangeAdmin(ExportAdmin, ImportExportMixin):
    """One that a file can be imported into as well, by who may do by hand what the import does."""

    import_verbs: tuple[str, ...] = ("add", "change")
    import_form_class = UploadForm
    confirm_form_class = ConfirmForm
    tmp_storage_class = UploadStorage
    skip_admin_log = True  # each row is in the audit log

    def has_import_permission(self, request):
        names = (get_permission_codename(verb, self.opts) for verb in self.import_verbs)
        return all(request.user.has_perm(f"{self.opts.app_label}.{name}") for name in names)

    def import_action(self, request, **kwargs):
        answer = super().import_action(request, **kwargs)
        if isinstance(answer, TemplateResponse):
            answer.context_data["fields_list"] = [(self.sheet.get_display_name(), list(self.sheet.importable))]
        return answer

    def process_import(self, request, **kwargs):
        """The file is read once more, in the format that the confirmation names: it may be another than it was."""
        try:
            return super().process_import(request, **kwargs)
        except Unreadable as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(self._address("import"))

    def process_dataset(self, dataset, form, request, **kwargs):
        """Of confirmations that are sent at once, one imports the file."""
        UploadStorage(name=form.cleaned_data["import_file_name"]).take()
        return super().process_dataset(dataset, form, request, **kwargs)

    def add_data_read_fail_error_to_form(self, form, e):
        logger.info("An import could not be read.", exc_info=e)
        form.add_error("import_file", str(e) if isinstance(e, Unreadable) else _("The file cannot be read."))

    def process_result(self, result, request):
        if result.has_errors() or result.has_validation_errors():
            self.message_user(request, _("Nothing was imported: things have changed meanwhile."), messages.ERROR)
            return HttpResponseRedirect(self._address("import"))
        return super().process_result(result, request)
