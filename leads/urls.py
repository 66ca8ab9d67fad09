from django.urls import path

from config.api import crud_routes
from leads.views import LeadViewSet

urlpatterns = [
    *crud_routes("leads", LeadViewSet, without=("bulk_update", "update", "partial_update", "destroy")),
    path("leads/<id:id>/verify", LeadViewSet.as_view({"post": "verify"}), name="lead-verify"),
]
