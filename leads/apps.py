from django.apps import AppConfig

from leads import challenges


class LeadsConfig(AppConfig):
    name = "leads"

    def ready(self):
        challenges.active()
