from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    name = "provisioning"

    def ready(self):
        from config.health import PROBES
        from provisioning import connectors, events, health, receivers  # noqa: F401  (the receivers connect themselves)

        PROBES["oldestUndeliveredSeconds"] = health.oldest_undelivered_seconds
        events.check_settings()
        connectors.active()
