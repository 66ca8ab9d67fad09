from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self):
        from billing import checks, gateways, receivers  # noqa: F401  (checks and receivers connect themselves)

        gateways.active()
