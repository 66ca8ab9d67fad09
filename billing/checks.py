"""System checks of billing."""

from django.conf import settings
from django.core.checks import Error, register
from django.utils.module_loading import import_string


@register()
def the_logo_is_a_picture(app_configs, **_):
    if settings.SELLER_LOGO and not import_string("billing.logo.is_picture")(settings.SELLER_LOGO):
        yield Error(
            "SELLER_LOGO is no picture that can be read.",
            hint="Name the file of a PNG or JPEG, or unset it: invoices then name the seller.",
            id="tenantry.E001",
        )
