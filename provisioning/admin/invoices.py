"""The page of invoices, with the mail that provisioning sends of them."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from billing.admin import InvoiceAdmin
from billing.models import Invoice
from billing.settlement import locked
from config.errors import Conflict
from identity import permissions as codes
from identity.operations import operation
from provisioning import events

admin.site.unregister(Invoice)


@admin.register(Invoice)
class MailedInvoiceAdmin(InvoiceAdmin):
    actions_detail = (*InvoiceAdmin.actions_detail, "mail_again")

    @operation(
        _("Mail again"), codes=(codes.UPDATE_INVOICE,), icon="forward_to_inbox",
        when=lambda invoice: invoice.is_issued, asks=_("The invoice goes once more to the tenant's billing contact."),
    )  # fmt: skip
    def mail_again(self, request, invoice):
        payload = {"invoice": {"id": str(invoice.id)}}
        locked(invoice.id)
        if events.asked_lately(events.INVOICE_MAIL_REQUESTED, subject=invoice.tenant_id, payload=payload):
            raise Conflict(_("The invoice was mailed a moment ago."))
        events.record(
            events.INVOICE_MAIL_REQUESTED, subject=invoice.tenant_id, payload=payload, actor=request.user.pk,
            mails=["invoice"],
        )  # fmt: skip
        return _("A mail is on its way.")
