from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebhooksConfig(AppConfig):
    name = "webhooks"
    verbose_name = _("Operations")

    def ready(self):
        from provisioning.relay import MAINTENANCE
        from provisioning.timeline import SOURCES
        from webhooks import handlers, models, timeline

        MAINTENANCE.append(models.prune)
        SOURCES.extend((timeline.calls, timeline.refusals))
        handlers.active()
