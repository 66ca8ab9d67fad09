"""From a lead, or from what staff type in, to a tenant."""

import uuid
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from rest_framework.exceptions import AuthenticationFailed

from config.domains import mail_domain
from config.errors import BadRequest
from leads.mail_domains import is_public
from leads.models import Address, Lead
from tenants.models import Contact, Resource, Tenant
from tenants.signals import tenant_created


@transaction.atomic
def onboard_lead(
    *,
    lead_id: uuid.UUID,
    key: str,
    domains: list[str],
    actor: uuid.UUID | None,
    name: str | None = None,
    **address: Any,
) -> Tenant:
    """The tenant of a validated lead, with its people and address at hand (`with_parts`).

    `name` defaults to the lead's company; `address` holds the fields of an Address and must agree with the lead's own.

    Raises AuthenticationFailed when the lead is not validated or has a tenant, BadRequest when the address differs, the
    lead's mail domain is not among `domains` or one of them is a public mail provider's, IntegrityError (409) when the
    key is taken.
    """
    # The lock makes simultaneous requests of one lead wait for each other; the unique constraint stands behind it.
    lead = Lead.objects.select_for_update(no_key=True).filter(id=lead_id, is_validated=True).first()
    if lead is None or Tenant.objects.filter(lead=lead).exists():
        raise AuthenticationFailed(_("The lead is not validated, or has a tenant already."))
    _check_domains_of_lead(lead, domains)
    stored = lead.address
    given = {field: value for field, value in address.items() if value not in (None, "")}
    if stored is not None and any(getattr(stored, field) != value for field, value in given.items()):
        raise BadRequest(_("The address differs from the lead's."), code="address_differs")
    if stored is None:
        stored = _address(given, actor)
    tenant = Tenant.objects.create(
        name=name or lead.company_name,
        key=key,
        domains=domains,
        lead=lead,
        address=stored,
        created_by=actor,
        modified_by=actor,
    )
    contact = Contact.objects.create(
        first_name=lead.first_name,
        last_name=lead.last_name,
        email=lead.email,
        is_primary=True,
        tenant=tenant,
        created_by=actor,
        modified_by=actor,
    )
    tenant_created.send(Tenant, tenant=tenant, contacts=[contact], actor=actor)
    return with_parts(tenant, contacts=[contact], resources=[], lead=lead, address=stored)


@transaction.atomic
def onboard(
    *, contact: dict[str, Any], name: str, key: str, domains: list[str], actor: uuid.UUID | None, **address: Any
) -> Tenant:
    """A tenant that staff or a service make, with its first contact.

    Raises BadRequest when the contact's mail domain is not among `domains`, IntegrityError (409) for a taken key.
    """
    _check_domain(mail_domain(contact["email"]), domains)
    stored = _address({field: value for field, value in address.items() if value not in (None, "")}, actor)
    tenant = Tenant.objects.create(
        name=name, key=key, domains=domains, address=stored, created_by=actor, modified_by=actor
    )
    first = Contact.objects.create(**contact, tenant=tenant, created_by=actor, modified_by=actor)
    tenant_created.send(Tenant, tenant=tenant, contacts=[first], actor=actor)
    return with_parts(tenant, contacts=[first], resources=[], lead=None, address=stored)


def with_parts(
    tenant: Tenant, *, contacts: list[Contact], resources: list[Resource], lead: Lead | None, address: Address | None
) -> Tenant:
    """`tenant` as if its relations had been fetched by an include."""
    tenant.included_contacts, tenant.included_resources = contacts, resources
    tenant.included_lead, tenant.included_address = lead, address
    return tenant


def proposed_domains(lead: Lead) -> list[str]:
    """The domains that the lead's tenant has to name."""
    return [] if is_public(lead.email_domain) else [lead.email_domain]


def _check_domains_of_lead(lead: Lead, domains: list[str]) -> None:
    """A public mail provider's domain cannot be claimed, so a lead with an address there need not name it."""
    public = next(filter(is_public, domains), None)
    if public:
        raise BadRequest(_("%s belongs to everybody who has an address there.") % public, code="public_mail_domain")
    for domain in proposed_domains(lead):
        _check_domain(domain, domains)


def _check_domain(domain: str, domains: list[str]) -> None:
    if domain not in domains:
        raise BadRequest(_("The mail domain %s is not among the domains.") % domain, code="domain_missing")


def _address(values: dict[str, Any], actor: uuid.UUID | None) -> Address | None:
    """A stored address; one without a country is not kept, as at the sign-up."""
    if not values.get("country"):
        return None
    return Address.objects.create(**values, created_by=actor, modified_by=actor)
