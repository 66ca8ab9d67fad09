"""How the admin looks and where its menu leads; what unfold is told by settings.UNFOLD.

The menu names the apps' models as text, as config.urls names their addresses: no room is imported.
"""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from django.views.i18n import JavaScriptCatalog
from unfold.settings import CONFIG_DEFAULTS

from config.branding import brand, palette

MENU = (
    (None, (("dashboard", _("Dashboard"), "admin:index"),)),
    (
        _("Customers"),
        (
            ("person_add", _("Leads"), "leads.lead"),
            ("apartment", _("Tenants"), "tenants.tenant"),
            ("contacts", _("Contacts"), "tenants.contact"),
            ("deployed_code", _("Resources"), "tenants.resource"),
            ("tune", _("Configurations"), "tenants.tenantconfig"),
        ),
    ),
    (
        _("Billing"),
        (
            ("receipt_long", _("Invoices"), "billing.invoice"),
            ("payments", _("Payments"), "billing.payment"),
            ("undo", _("Credit notes"), "billing.creditnote"),
            ("autorenew", _("Subscriptions"), "billing.subscription"),
            ("sell", _("Plans"), "billing.plan"),
            ("badge", _("Billing customers"), "billing.billingcustomer"),
        ),
    ),
    (
        _("Operations"),
        (
            ("construction", _("Provisioning runs"), "provisioning.provisioningrun"),
            ("bolt", _("Events"), "provisioning.event"),
            ("outbox", _("Deliveries"), "provisioning.delivery"),
            ("call_received", _("Received calls"), "webhooks.receivedcall"),
            ("block", _("Refused calls"), "webhooks.refusedcall"),
            ("fingerprint", _("Identity set-ups"), "provisioning.identitysetup"),
        ),
    ),
    (
        _("Staff"),
        (
            ("group", _("Users"), "identity.user"),
            ("admin_panel_settings", _("Roles"), "auth.group"),
            ("history", _("Audit log"), "auditlog.logentry"),
        ),
    ),
)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu, of what the user may see."""
    groups = []
    for title, entries in MENU:
        items = [
            {"title": label, "icon": icon, "link": _address(target)}
            for icon, label, target in entries
            if _may_see(request, target)
        ]
        if items:
            groups.append({"title": title, "items": items, "separator": False})
    return groups


def _address(target: str) -> str:
    if ":" in target:
        return reverse(target)
    return reverse(f"admin:{target.replace('.', '_')}_changelist")


def _may_see(request: HttpRequest, target: str) -> bool:
    if ":" in target:
        return True
    app, model = target.split(".")
    return request.user.has_perm(f"{app}.view_{model}") or request.user.has_perm(f"{app}.change_{model}")


def context(request: HttpRequest) -> dict[str, Any]:
    """What the pages get last: the colours come by a stylesheet, since the policy allows nothing inline."""
    return {"colors": None}


def title(request: HttpRequest) -> str:
    return brand().name


def account_links(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu of who is logged in; somebody without a password of this service has none to change."""
    links = [{"title": _("Two-factor authentication"), "link": reverse("two-factor")}]
    if request.user.is_authenticated and request.user.has_usable_password():
        links.append({"title": _("Change password"), "link": reverse("admin:password_change")})
    return links


def logo(request: HttpRequest) -> dict[str, Any] | None:
    """The logos of light and dark mode; None where the name stands instead."""
    shown = brand()
    if shown.logo_url is None:
        return None
    return {"light": shown.logo_url, "dark": shown.logo_dark_url or shown.logo_url}


class ScriptTexts(JavaScriptCatalog):
    """Django's texts of the admin's scripts, and ours where its German has none."""

    packages = ("django.contrib.admin",)

    def get_paths(self, packages):
        return [*super().get_paths(packages), *settings.LOCALE_PATHS]


def stylesheet(request: HttpRequest) -> str:
    return static("backoffice/office.css")


def scheme(request: HttpRequest) -> str:
    return static("backoffice/scheme.js")


def keyboard(request: HttpRequest) -> str:
    return static("backoffice/keyboard.js")


def colors(request: HttpRequest) -> str:
    return f"{reverse('backoffice-css')}?{brand().version}"


@require_safe
@cache_control(public=True, max_age=86_400)
def brand_css(request: HttpRequest) -> HttpResponse:
    """unfold's colours, with the brand's as the first."""
    colors = {**CONFIG_DEFAULTS["COLORS"], "primary": palette(brand().light.fill)}
    return render(request, "backoffice/brand.css", {"colors": colors}, content_type="text/css")
