from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProvisioningConfig(AppConfig):
    name = "provisioning"
    verbose_name = _("Operations")

    def ready(self):
        from config.health import PROBES
        from provisioning import checks, connectors, events, health, receivers  # noqa: F401  (some connect themselves)

        PROBES["oldestUndeliveredSeconds"] = health.oldest_undelivered_seconds
        events.check_settings()
        connectors.active()
