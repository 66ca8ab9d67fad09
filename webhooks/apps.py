from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"

    def ready(self):
        from provisioning.relay import MAINTENANCE
        from provisioning.timeline import SOURCES
        from webhooks import handlers, models, timeline

        MAINTENANCE.append(models.prune)
        SOURCES.extend((timeline.calls, timeline.refusals))
        handlers.active()
