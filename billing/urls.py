from billing.views import InvoiceViewSet, PlanViewSet
from config.api import crud_routes

urlpatterns = [*crud_routes("plans", PlanViewSet), *crud_routes("invoices", InvoiceViewSet)]
