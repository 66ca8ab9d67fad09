from billing.views import InvoiceViewSet
from config.api import crud_routes

urlpatterns = crud_routes("invoices", InvoiceViewSet)
