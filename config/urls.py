from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerView

from config import views

urlpatterns = [
    path("", views.home, name="home"),
    path("ping", views.PingView.as_view(), name="ping"),
    path("healthz", views.HealthView.as_view(), name="healthz"),
    path("readyz", views.ReadinessView.as_view(), name="readyz"),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("explorer", SpectacularSwaggerView.as_view(url_name="openapi"), name="explorer"),
    path("explorer/", SpectacularSwaggerView.as_view(url_name="openapi")),
    path("redoc", SpectacularRedocView.as_view(url_name="openapi"), name="redoc"),
    path("admin/", admin.site.urls),
    path("", include("identity.urls")),
    path("", include("leads.urls")),
    path("", include("tenants.urls")),
    path("", include("billing.urls")),
    path("", include("provisioning.urls")),
    path("", include("webhooks.urls")),
]

handler400 = "config.errors.bad_request"
handler403 = "config.errors.permission_denied"
handler404 = "config.errors.not_found"
handler500 = "config.errors.server_error"
