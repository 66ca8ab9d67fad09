from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from leads import challenges


class LeadsConfig(AppConfig):
    name = "leads"
    verbose_name = _("Customers")

    def ready(self):
        challenges.active()
