from django.urls import path

from config.api import crud_routes
from leads import pages
from leads.views import LeadViewSet

urlpatterns = [
    *crud_routes("leads", LeadViewSet, without=("bulk_update", "update", "partial_update", "destroy")),
    path("leads/<id:id>/verify", LeadViewSet.as_view({"post": "verify"}), name="lead-verify"),
    path("leads/<id:id>/resend", LeadViewSet.as_view({"post": "resend"}), name="lead-resend"),
    path("signup", pages.sign_up, name="signup"),
    path("signup/sent", pages.sent, name="signup-sent"),
    path("signup/verify/<id:id>", pages.verify, name="signup-verify"),
]
