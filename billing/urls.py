from django.urls import path

from billing.views import (
    BillingCustomerViewSet,
    CreditNoteViewSet,
    InvoiceViewSet,
    NotificationView,
    PaymentViewSet,
    PlanViewSet,
    SubscriptionViewSet,
    SummaryView,
)
from config.api import crud_routes

CHANGES = ("create", "bulk_update", "update", "partial_update", "destroy")

urlpatterns = [
    *crud_routes("plans", PlanViewSet),
    *crud_routes("subscriptions", SubscriptionViewSet, without=("bulk_update", "update", "destroy")),
    path(
        "subscriptions/<id:id>/change-plan",
        SubscriptionViewSet.as_view({"post": "change_plan"}),
        name="subscription-change-plan",
    ),
    path("invoices/download", InvoiceViewSet.as_view({"get": "download_by_query"}), name="invoice-download-by-query"),
    path(
        "invoices/download/<id:id>",
        InvoiceViewSet.as_view({"get": "download_by_path"}),
        name="invoice-download-by-path",
    ),
    *crud_routes("invoices", InvoiceViewSet),
    path("invoices/<id:id>/download", InvoiceViewSet.as_view({"get": "download"}), name="invoice-download"),
    path(
        "invoices/<id:id>/payments",
        InvoiceViewSet.as_view({"get": "payments", "post": "add_payment"}),
        name="invoice-payments",
    ),
    path(
        "invoices/<id:id>/credit-notes",
        InvoiceViewSet.as_view({"get": "credit_notes", "post": "add_credit_note"}),
        name="invoice-credit-notes",
    ),
    *crud_routes("payments", PaymentViewSet, without=CHANGES),
    *crud_routes("credit-notes", CreditNoteViewSet, without=CHANGES),
    path("credit-notes/<id:id>/download", CreditNoteViewSet.as_view({"get": "download"}), name="credit-note-download"),
    *crud_routes("billing-customers", BillingCustomerViewSet),
    path("billing/summary", SummaryView.as_view(), name="billing-summary"),
    path("billing/notifications/<slug:gateway>", NotificationView.as_view(), name="payment-notification"),
]
