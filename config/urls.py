from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from django.conf import settings
from django.contrib import admin
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from config import backoffice, mailbox, refusals, views

# Both of the API's pages style themselves by script; Redoc searches in a worker that it makes itself.
explorer = csp_update({"style-src": [SELF, UNSAFE_INLINE]})(SpectacularSwaggerSplitView.as_view(url_name="openapi"))
redoc = csp_update({"style-src": [SELF, UNSAFE_INLINE], "worker-src": [SELF, "blob:"]})(
    SpectacularRedocView.as_view(url_name="openapi")
)

urlpatterns = [
    # Addresses are tried one after the other: what is called most stands first.
    path("", include("webhooks.urls")),
    path("", include("tenants.urls")),
    path("", include("leads.urls")),
    path("", include("provisioning.urls")),
    path("", include("billing.urls")),
    path("", include("identity.urls")),
    path("", views.home, name="home"),
    path("ping", views.PingView.as_view(), name="ping"),
    path("healthz", views.HealthView.as_view(), name="healthz"),
    path("readyz", views.ReadinessView.as_view(), name="readyz"),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("explorer", explorer, name="explorer"),
    path("explorer/", explorer),
    path("redoc", redoc, name="redoc"),
    path("brand.css", views.brand_css, name="brand-css"),
    path("admin/brand.css", backoffice.brand_css, name="backoffice-css"),
    path("admin/", include("identity.staff_urls")),
    path("admin/jsi18n/", backoffice.ScriptTexts.as_view()),
    re_path("^admin/r/", refusals.not_found),  # Django's "view on site" of objects: none of ours is on one
    path("admin/", admin.site.urls),
]
if settings.MAILBOX:
    urlpatterns += [
        path("dev/mail", mailbox.inbox, name="mailbox"),
        path("dev/mail/<str:id>", mailbox.mail, name="mailbox-mail"),
        path("dev/mail/<str:id>/html", mailbox.mail_html, name="mailbox-html"),
        path("dev/mail/<str:id>/attachments/<int:number>", mailbox.attachment, name="mailbox-attachment"),
    ]

handler400 = "config.refusals.bad_request"
handler403 = "config.refusals.permission_denied"
handler404 = "config.refusals.not_found"
handler500 = "config.refusals.server_error"
