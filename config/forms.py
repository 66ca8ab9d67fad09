"""The forms behind the admin's pages of `AuditedModel`s: as strict as the API."""

from django import forms


class AuditedForm(forms.ModelForm):
    """Says at the form what a constraint would refuse."""

    def _get_validation_exclusions(self):
        """Django leaves out a constraint whose condition names a field that is not in the form, as `deleted` is not."""
        conditions = [getattr(each, "condition", None) for each in self._meta.model._meta.constraints]
        named = {name for each in conditions if each is not None for name in each.referenced_base_fields}
        return super()._get_validation_exclusions() - (named - set(self.fields))
