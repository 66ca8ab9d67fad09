from django.urls import path

from provisioning.views import EventSchemaView, ProvisioningViewSet

urlpatterns = [
    path("events/schema.json", EventSchemaView.as_view(), name="event-schema"),
    path("tenants/<id:id>/provision", ProvisioningViewSet.as_view({"post": "provision"}), name="tenant-provision"),
    path(
        "tenants/<id:id>/deprovision", ProvisioningViewSet.as_view({"post": "deprovision"}), name="tenant-deprovision"
    ),
    path(
        "tenants/<id:id>/rotate-secret",
        ProvisioningViewSet.as_view({"post": "rotate_secret"}),
        name="tenant-rotate-secret",
    ),
    path("tenants/<id:id>/restore", ProvisioningViewSet.as_view({"post": "restore"}), name="tenant-restore"),
    path("tenants/<id:id>/export", ProvisioningViewSet.as_view({"get": "export"}), name="tenant-export"),
    path("tenants/<id:id>/timeline", ProvisioningViewSet.as_view({"get": "timeline"}), name="tenant-timeline"),
]
