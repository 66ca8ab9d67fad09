from django.apps import AppConfig


class IdentityConfig(AppConfig):
    name = "identity"

    def ready(self):
        from identity import openapi, providers  # noqa: F401  (the first registers itself)

        providers.check_settings()
