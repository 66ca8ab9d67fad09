import datetime
from decimal import Decimal

from django import forms
from django.contrib import admin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import DecimalField
from django.template.loader import render_to_string
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from billing import invoicing, settlement, subscriptions
from billing.columns import day, money
from billing.documents import pdf_of
from billing.models import (
    BillingCustomer,
    CreditNote,
    Invoice,
    InvoiceStatus,
    NumberSeries,
    Payment,
    Plan,
    Subscription,
    SubscriptionStatus,
)
from billing.models.subscriptions import LIVE
from billing.money import is_payable, minor_units, rounded, shown, written
from billing.periods import midnight
from billing.sheets import InvoiceSheet, PaymentSheet, PlanSheet, SubscriptionSheet
from config.admin import AuditedAdmin, BackOfficeAdmin, LookedAt, PartInline, in_lines
from config.errors import Conflict
from config.exchange import ExchangeAdmin, ExportAdmin
from config.fields import YEARS, one_line
from config.forms import AuditedForm
from config.list_filters import DaysFilter
from identity import permissions as codes
from identity.operations import OperatingAdmin, OperationForm, RestoringAdmin, operation

INVOICE_COLOURS = {
    InvoiceStatus.PENDING: "info",
    InvoiceStatus.PAID: "success",
    InvoiceStatus.CANCELLED: "default",
    InvoiceStatus.DRAFT: "warning",
    "overdue": "danger",
}
SUBSCRIPTION_COLOURS = {
    SubscriptionStatus.PENDING: "info",
    SubscriptionStatus.ACTIVE: "success",
    SubscriptionStatus.INACTIVE: "default",
    SubscriptionStatus.CANCELLED: "default",
    SubscriptionStatus.EXPIRED: "default",
}


class PricedAdmin(AuditedAdmin):
    """The page of what has amounts in a currency."""

    def spoken(self, field, value, currency):
        said = super().spoken(field, value, currency)
        if not said or not isinstance(field, DecimalField):
            return said
        if field.name.endswith("tax_rate"):
            return f"{said} %"
        return f"{written(value, minor_units(currency))} {currency}" if currency else said


class ReadOnlyAdmin(LookedAt, PricedAdmin):
    """What is written here has consequences that the operations of billing know."""

    actions = ()


class PlanForm(AuditedForm):
    """A price is kept with more decimals than its currency has."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "price" in self.initial and not self.instance._state.adding:
            self.initial["price"] = rounded(self.initial["price"], self.instance.currency_code)


@admin.register(Plan)
class PlanAdmin(ExchangeAdmin, PricedAdmin, RestoringAdmin):
    form = PlanForm
    sheet = PlanSheet
    list_display = ("name", "tier", "price_shown", "billing_cycle", "is_self_service", "is_active")
    list_filter = ("tier", "billing_cycle", "is_active")
    search_fields = ("name",)
    ordering = ("price", "id")
    outlives = _("Whoever has subscribed to a plan stays on it, at the price that was signed.")
    price_shown = money("price", _("price"), ordering="price")

    features_shown = in_lines("features", _("features"))
    size_shown = in_lines("size_config", _("size"))
    looked_at = {
        "price": "price_shown", "currency_code": None, "features": "features_shown", "size_config": "size_shown",
    }  # fmt: skip


@admin.register(BillingCustomer)
class BillingCustomerAdmin(RestoringAdmin):
    list_display = ("name", "tax_id", "tenant")
    list_select_related = ("tenant",)
    autocomplete_fields = ("tenant",)
    search_fields = ("name", "tax_id")


class ChangePlanForm(OperationForm):
    plan = forms.ModelChoiceField(label=_("Plan"), queryset=Plan.objects.filter(is_active=True))
    at = forms.ChoiceField(
        label=_("When"), choices=[("periodEnd", _("At the end of the paid period")), ("now", _("At once"))],
        help_text=_("At once, the rest of the period is settled: the difference is invoiced, or kept as credit."),
    )  # fmt: skip


def goes_on(subscription: Subscription) -> bool:
    return not subscription.deleted and subscription.status in LIVE


@admin.register(Subscription)
class SubscriptionAdmin(ExportAdmin, OperatingAdmin, ReadOnlyAdmin):
    sheet = SubscriptionSheet
    list_display = ("tenant", "plan", "price_shown", "status_badge", "period_start", "period_end")
    list_filter = ("status", "billing_cycle")
    list_select_related = ("tenant", "plan")
    search_fields = ("=reference", "tenant__name", "tenant__key")
    fields = (
        "tenant", "plan", "reference", "price_shown", "billing_cycle", "tax_shown", "status", "start_day", "end_day",
        "period_start", "period_end", "period_price_shown", "next_invoice_on", "credit_shown", "next_plan",
        "cancel_at_period_end",
    )  # fmt: skip
    readonly_fields = ("price_shown", "tax_shown", "start_day", "end_day", "period_price_shown", "credit_shown")
    price_shown = money("price", _("price"))
    period_price_shown = money("period_price", _("price of the period"))
    credit_shown = money("credit", _("credit for unused time"))
    start_day = day("start_date", _("start date"))
    end_day = day("end_date", _("end date"))
    actions_detail = ("change_plan", "end_with_period", "go_on")

    @operation(
        _("Change plan…"), codes=(codes.UPDATE_SUBSCRIPTION,), icon="swap_horiz", form=ChangePlanForm, when=goes_on
    )
    def change_plan(self, request, subscription, plan, at):
        changed = subscriptions.change_plan(subscription.id, plan=plan, at_once=at == "now", actor=request.user.pk)
        return (_("The plan is %s from the next period on.") if changed.next_plan else _("The plan is %s.")) % plan.name

    @operation(
        _("Cancel at period end"), codes=(codes.UPDATE_SUBSCRIPTION,), icon="event_busy",
        when=lambda subscription: goes_on(subscription) and not subscription.cancel_at_period_end,
        asks=_(
            "It ends with the paid period, or before where that is agreed; until then this can be taken back. One that "
            "has not begun ends at once, for good."
        ),
    )  # fmt: skip
    def end_with_period(self, request, subscription):
        subscriptions.amend(subscription.id, values={"cancel_at_period_end": True}, actor=request.user.pk)
        return _("The subscription is cancelled.")

    @operation(
        _("Go on after all"), codes=(codes.UPDATE_SUBSCRIPTION,), icon="event_available",
        when=lambda subscription: goes_on(subscription) and subscription.cancel_at_period_end,
        asks=_("The cancellation is taken back; an end that was agreed before it holds again."),
    )  # fmt: skip
    def go_on(self, request, subscription):
        subscriptions.amend(subscription.id, values={"cancel_at_period_end": False}, actor=request.user.pk)
        return _("The subscription goes on.")

    @display(description=_("tax rate"))
    def tax_shown(self, subscription):
        return f"{written(subscription.tax_rate)} %"

    @display(description=_("status"), ordering="status", label=SUBSCRIPTION_COLOURS)
    def status_badge(self, subscription):
        return SubscriptionStatus(subscription.status), subscription.get_status_display()


class OverdueFilter(admin.SimpleListFilter):
    title = _("overdue")
    parameter_name = "overdue"

    def lookups(self, request, model_admin):
        return [("yes", _("Overdue"))]

    def queryset(self, request, queryset):
        return queryset.overdue() if self.value() else queryset


class SettlementForm(OperationForm):
    """Asks for money. `seen` is what was settled of the invoice when the page was made: sent twice, it counts once."""

    seen = forms.DecimalField(widget=forms.HiddenInput)

    def __init__(self, *args, obj, **kwargs):
        super().__init__(*args, obj=obj, **kwargs)
        self.fields["seen"].initial = settled(obj)


def settled(invoice: Invoice) -> Decimal:
    return invoice.paid_amount + invoice.credited_amount


def lock_as_seen(invoice: Invoice, seen: Decimal) -> None:
    """Lock the invoice. Raises Conflict where it was paid or credited since `seen`."""
    if settled(settlement.locked(invoice.id)) != seen:
        raise Conflict(_("The invoice was paid or credited meanwhile: look at it before you go on."))


class PaymentForm(SettlementForm):
    amount = forms.DecimalField(label=_("Amount"), max_digits=14, decimal_places=3)
    date = forms.DateField(
        label=_("Date"), required=False, help_text=_("Now, where it is left empty."),
        widget=forms.DateInput(attrs={"type": "date"}),
        validators=[
            MinValueValidator(datetime.date(YEARS[0], 1, 1)), MaxValueValidator(datetime.date(YEARS[-1], 12, 31)),
        ],
    )  # fmt: skip
    method = forms.CharField(label=_("Method"), required=False, max_length=50, validators=[one_line])
    reference = forms.CharField(label=_("Reference"), required=False, max_length=200, validators=[one_line])

    def __init__(self, *args, obj, **kwargs):
        super().__init__(*args, obj=obj, **kwargs)
        self.fields["amount"].initial = rounded(obj.open_amount, obj.currency_code)

    def clean_amount(self) -> Decimal:
        return payable(self.cleaned_data["amount"], self.obj)

    def clean_date(self) -> datetime.datetime | None:
        return midnight(self.cleaned_data["date"]) if self.cleaned_data["date"] else None


class CreditForm(SettlementForm):
    amount = forms.DecimalField(
        label=_("Amount with tax"), required=False, max_digits=14, decimal_places=3,
        help_text=_("All that is left of the invoice, where it is left empty."),
    )  # fmt: skip
    reason = forms.CharField(label=_("Reason"), required=False, max_length=500, validators=[one_line])

    def clean_amount(self) -> Decimal | None:
        amount = self.cleaned_data["amount"]
        return None if amount is None else payable(amount, self.obj)


def payable(amount: Decimal, invoice: Invoice) -> Decimal:
    """An amount that can be paid in the invoice's currency. Raises ValidationError."""
    if not amount or not is_payable(amount, invoice.currency_code):
        raise forms.ValidationError(_("This cannot be paid in %s.") % invoice.currency_code)
    return amount


class DocumentAdmin(ReadOnlyAdmin):
    """The page of what has lines and taxes: they are shown as on the PDF."""

    def get_readonly_fields(self, request, obj=None):
        return (*super().get_readonly_fields(request, obj), "content", "bill_to")

    @display(description=_("lines"))
    def content(self, document):
        currency = document.currency_code

        def money(amount: str | Decimal) -> str:
            """A unit price has more decimals than its currency where it was given more."""
            return f"{written(amount, minor_units(currency))} {currency}"

        discounted = any(Decimal(line["discount_percent"]) for line in document.lines)
        lines = [
            {
                "description": line["description"], "quantity": written(line["quantity"]),
                "unit_price": money(line["unit_price"]), "discount": f"{written(line['discount_percent'])} %",
                "tax_rate": written(line["tax_rate"]), "net": money(line["amount"]),
            }
            for line in document.lines
        ]  # fmt: skip
        taxes = [
            {"rate": written(tax["rate"]), "net": money(tax["net"]), "tax": money(tax["tax"])} for tax in document.taxes
        ]
        context = {
            "lines": lines, "taxes": taxes, "discounted": discounted, "span": 5 if discounted else 4,
            "subtotal": money(document.subtotal), "total": money(document.amount),
        }  # fmt: skip
        return render_to_string("backoffice/document.html", context)

    @display(description=_("bill to"))
    def bill_to(self, document):
        buyer = document.buyer
        said = (buyer.get("name"), buyer.get("address"), buyer.get("country"), buyer.get("taxId"))
        return "\n".join(filter(None, said)) or "–"


class PaymentInline(PartInline):
    model = Payment
    fields = ("paid", "paid_day", "method", "reference", "gateway")
    paid = money("amount", _("amount"), currency="invoice.currency_code")
    paid_day = day("date", _("date"))

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("invoice")


class CreditNoteInline(PartInline):
    model = CreditNote
    fields = ("number", "total", "issued_day", "reason")
    total = money("amount", _("total"))
    issued_day = day("issued_on", _("issued on"))


@admin.register(Invoice)
class InvoiceAdmin(ExportAdmin, OperatingAdmin, DocumentAdmin):
    sheet = InvoiceSheet
    list_display = ("__str__", "tenant", "total", "open_shown", "issued_day", "due_day", "status_badge")
    list_filter = ("status", OverdueFilter, ("issued_on", DaysFilter))
    list_select_related = ("tenant",)
    search_fields = ("=number", "tenant__name", "tenant__key")
    fields = (
        "number", "tenant", "bill_to", "status_shown", "content", "open_shown", "issued_day", "due_day", "start_day",
        "end_day", "reminders_sent",
    )  # fmt: skip
    readonly_fields = ("status_shown", "open_shown", "issued_day", "due_day", "start_day", "end_day")
    total = money("amount", _("total"), ordering="amount")
    issued_day = day("issued_on", _("issued on"))
    due_day = day("due_date", _("due date"))
    start_day = day("start_date", _("start date"))
    end_day = day("end_date", _("end date"))
    inlines = (PaymentInline, CreditNoteInline)
    actions_detail = ("issue", "record_payment", "credit", "download")

    @operation(
        _("Issue"), codes=(codes.UPDATE_INVOICE,), icon="verified", when=lambda invoice: not invoice.is_issued,
        asks=_("The invoice gets its number and is mailed. It does not change any more then."),
    )  # fmt: skip
    def issue(self, request, invoice):
        invoicing.change(invoice.id, values={}, lines=None, status=InvoiceStatus.PENDING, actor=request.user.pk)
        return _("The invoice is issued.")

    @operation(
        _("Record payment"), codes=(codes.CREATE_PAYMENT, codes.UPDATE_INVOICE), icon="payments", form=PaymentForm,
        when=lambda invoice: invoice.is_issued, asks=_("In part, in full, or with a minus what was paid back."),
    )  # fmt: skip
    def record_payment(self, request, invoice, seen, **values):
        lock_as_seen(invoice, seen)
        settlement.record_payment(invoice.id, **values, actor=request.user.pk)
        return _("The payment is recorded.")

    @operation(
        _("Cancel by credit note"), codes=(codes.DELETE_BILL, codes.UPDATE_INVOICE), icon="undo", destroys=True,
        form=CreditForm, when=lambda invoice: invoice.is_issued and invoice.credited_amount < invoice.amount,
        asks=_("A credit note takes the invoice back, and is mailed. This cannot be undone."),
    )  # fmt: skip
    def credit(self, request, invoice, seen, **values):
        lock_as_seen(invoice, seen)
        note = settlement.record_credit(invoice.id, **values, actor=request.user.pk)
        return _("Credit note %s is issued.") % note.number

    @operation(
        _("Download PDF"), codes=(codes.VIEW_INVOICE, codes.CREATE_INVOICE), icon="download", downloads=True,
        when=lambda invoice: invoice.is_issued,
    )  # fmt: skip
    def download(self, request, invoice):
        return pdf_of(invoice)

    @display(description=_("open"))
    def open_shown(self, invoice):
        return shown(invoice.open_amount, invoice.currency_code) if invoice.status == InvoiceStatus.PENDING else "–"

    @display(description=_("status"))
    def status_shown(self, invoice):
        return self.status_badge(invoice)[1]

    @display(description=_("status"), ordering="status", label=INVOICE_COLOURS)
    def status_badge(self, invoice):
        if invoice.is_overdue:
            return "overdue", _("overdue")
        return InvoiceStatus(invoice.status), invoice.get_status_display()


@admin.register(CreditNote)
class CreditNoteAdmin(OperatingAdmin, DocumentAdmin):
    list_display = ("number", "invoice", "total", "issued_day")
    list_select_related = ("invoice",)
    search_fields = ("=number", "=invoice__number")
    fields = ("number", "invoice", "bill_to", "content", "reason", "issued_day")
    readonly_fields = ("issued_day",)
    total = money("amount", _("total"), ordering="amount")
    issued_day = day("issued_on", _("issued on"))
    actions_detail = ("download",)

    @operation(_("Download PDF"), codes=(codes.VIEW_BILL, codes.VIEW_INVOICE), icon="download", downloads=True)
    def download(self, request, note):
        return pdf_of(note)


@admin.register(Payment)
class PaymentAdmin(ExportAdmin, ReadOnlyAdmin):
    sheet = PaymentSheet
    list_display = ("invoice", "paid", "paid_day", "method", "reference", "gateway")
    list_filter = (("date", DaysFilter),)
    list_select_related = ("invoice",)
    search_fields = ("=reference", "=invoice__number")
    fields = ("invoice", "paid", "date", "method", "reference", "gateway")
    readonly_fields = ("paid",)
    paid = money("amount", _("amount"), currency="invoice.currency_code", ordering="amount")
    paid_day = day("date", _("date"))


@admin.register(NumberSeries)
class NumberSeriesAdmin(LookedAt, BackOfficeAdmin):
    list_display = ("series", "year", "last")
