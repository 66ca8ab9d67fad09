"""What identity providers are told of a tenant, and the mail by which one of them lets the first user in."""

from django.core.mail import EmailMultiAlternatives
from django.utils.translation import gettext as _

from config.errors import BadRequest
from identity import providers
from identity.providers.base import Person, ProviderError, TenantProfile
from provisioning.connectors.base import PublishError
from provisioning.models import Event, ProvisioningRun
from tenants.mails import identity_invitation
from tenants.models import Tenant


def profile_of(tenant: Tenant, run: ProvisioningRun, provider: str) -> TenantProfile:
    """The tenant as `provider` is told of it. Raises BadRequest for one without contacts."""
    contact = tenant.primary_contact
    if contact is None:
        raise BadRequest(_("The tenant has no contact who could become its first user."), code="no_contact")
    config = tenant.configs(manager="objects").filter(config_key=provider).first()
    return TenantProfile(
        id=tenant.id,
        key=tenant.key,
        name=tenant.name,
        tier=run.tier,
        is_silo=run.isolation == ProvisioningRun.Isolation.SILO,
        domains=tuple(tenant.domains),
        admin=Person(contact.first_name, contact.last_name, contact.email),
        config=config.config_value if config is not None and isinstance(config.config_value, dict) else {},
    )


def invitation(event: Event) -> EmailMultiAlternatives | None:
    """The mail to the first user of a tenant whose identity is set up. Its link is made by the provider just now.

    None for a tenant or a user that is gone, and for somebody who had an account before. Raises PublishError.
    """
    tenant = Tenant.objects.filter(id=event.subject).first()
    contact = tenant.primary_contact if tenant else None
    if tenant is None or contact is None:
        return None
    name, auth_id = event.payload["identityProvider"], event.payload["authId"]
    setup = tenant.identity_setups.filter(provider=name, auth_id=auth_id).first()
    runs = tenant.runs.filter(kind=ProvisioningRun.Kind.PROVISION, tier=setup.tier if setup else "")
    run = runs.order_by("-created_on").first()
    if run is None:
        return None
    try:
        link = providers.get(name).invite(profile_of(tenant, run, name), auth_id)
    except ProviderError as error:
        raise PublishError(str(error)) from error
    return identity_invitation(tenant, contact, link=link) if link else None
