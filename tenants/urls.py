from django.urls import path

from config.api import crud_routes
from tenants.views import ContactViewSet, KeyView, OnboardLeadView, ProposalView, TenantConfigViewSet, TenantViewSet

urlpatterns = [
    path("leads/<id:id>/tenants", OnboardLeadView.as_view(), name="lead-tenants"),
    path("leads/<id:id>/proposal", ProposalView.as_view(), name="lead-proposal"),
    path("tenants/keys/<str:key>", KeyView.as_view(), name="tenant-key"),
    *crud_routes("tenants", TenantViewSet),
    path("tenants/<id:id>/suspend", TenantViewSet.as_view({"post": "suspend"}), name="tenant-suspend"),
    path("tenants/<id:id>/resume", TenantViewSet.as_view({"post": "resume"}), name="tenant-resume"),
    *crud_routes("contacts", ContactViewSet),
    *crud_routes("tenant-configs", TenantConfigViewSet),
    path("tenant-configs/<id:id>/tenant", TenantConfigViewSet.as_view({"get": "tenant"}), name="tenant-config-tenant"),
]
