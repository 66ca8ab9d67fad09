"""System checks of provisioning."""

from django.conf import settings
from django.core.checks import Warning, register

from provisioning import connectors


@register()
def lease_outlasts_an_attempt(app_configs, **_):
    for name, connector in connectors.active().items():
        if settings.EVENT_DELIVERY == "inline" and settings.EVENT_LEASE.total_seconds() <= connector.longest_attempt:
            yield Warning(
                f"EVENT_LEASE is no longer than an inline attempt of the connector {name} may take:"
                " a relay sends its event again meanwhile.",
                hint=f"Set EVENT_LEASE to more than {connector.longest_attempt} seconds.",
                id="tenantry.W005",
            )
