from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IdentityConfig(AppConfig):
    name = "identity"
    verbose_name = _("Staff")

    def ready(self):
        from identity import openapi, providers  # noqa: F401  (the first registers itself)

        providers.check_settings()
