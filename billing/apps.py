from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self):
        from billing import gateways, receivers  # noqa: F401  (the receivers connect themselves)

        gateways.active()
