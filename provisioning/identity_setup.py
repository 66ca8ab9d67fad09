"""Set up a tenant's identity provider: one function behind POST /manage/users, the admin and `setup_identity`.

Everything is read from our own database; what a caller says is only checked to agree, so that who holds one tenant's
secret reaches no other tenant's realm. Each step's outcome is a row. The provider is called outside of any transaction,
under a claim that ends by itself.
"""

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound

from config.domains import comparable_address
from config.errors import BadRequest, Conflict
from config.turns import giving_way, meanwhile
from identity import providers
from identity.providers.base import Attempt, IdentityProvider, Memory, ProviderError, TenantProfile, Unreachable
from provisioning import events
from provisioning.messages import tenant_payload
from provisioning.models import IdentityClaim, IdentitySetup, IdentityStep, ProvisioningRun
from provisioning.profiles import profile_of
from tenants.models import PROVIDER_CONFIG, Contact, Tenant, TenantConfig, TenantStatus

LAST_STEP = timedelta(seconds=120)
"""What a step that began just before IDENTITY_SETUP_TIMEOUT may still take."""


def set_up_identity(
    *, tenant_id: uuid.UUID, actor: uuid.UUID | None, provider: str = "", told: dict[str, Any] | None = None
) -> str:
    """Give the tenant its realm, organization or pool and its first user; the authId. Once it has one, only that.

    `provider` becomes the tenant's own where it has none yet. `told` is what a provisioner says of the tenant.

    Raises NotFound, BadRequest where `provider` or `told` disagree with what we know, Conflict for a tenant that is
    neither being provisioned nor ACTIVE, and ProviderError: Unreachable (503) also while another call is at it.
    """
    tenant = Tenant.objects.filter(id=tenant_id).first()
    if tenant is None:
        raise NotFound
    run = _run_of(tenant)
    if told is not None:
        _must_agree(tenant, run, told)
    name = _provider_of(tenant, provider, actor)
    setup = IdentitySetup.objects.filter(tenant=tenant, provider=name, tier=run.tier).first()
    if setup is not None and setup.auth_id is not None:
        return setup.auth_id
    chosen = providers.get(name)
    profile = profile_of(tenant, run, name)
    setup, _new = IdentitySetup.objects.get_or_create(
        tenant=tenant, provider=name, tier=run.tier, defaults={"created_by": actor}
    )
    with _claim(f"tenant {tenant.id}"):
        setup.refresh_from_db()  # somebody else may have just finished
        return setup.auth_id or _attempt(setup, chosen, profile, actor)


def _attempt(setup: IdentitySetup, provider: IdentityProvider, profile: TenantProfile, actor: uuid.UUID | None) -> str:
    mine = IdentitySetup.objects.filter(id=setup.id)
    mine.update(attempts=F("attempts") + 1)

    @meanwhile()
    def save(values: dict[str, str]) -> None:
        mine.update(memory=json.dumps(values))

    @meanwhile()
    def on_step(step, outcome: str, reason: str) -> None:
        values = {"what": step.what[:500], "outcome": outcome, "reason": reason[:500], "done_on": timezone.now()}
        row, _new = IdentityStep.objects.get_or_create(setup=setup, name=step.name, defaults=values)
        IdentityStep.objects.filter(id=row.id).update(**values, attempts=F("attempts") + 1)

    attempt = Attempt(
        tenant=profile,
        memory=Memory(setup.memory_values, save),
        deadline=time.monotonic() + settings.IDENTITY_SETUP_TIMEOUT,
        on_step=on_step,
        exclusive=_claim,
    )
    try:
        with giving_way():
            auth_id = provider.set_up(attempt)
    except ProviderError as error:
        mine.update(last_error=str(error)[:500])
        raise
    with transaction.atomic():
        mine.update(auth_id=auth_id, last_error="", finished_on=timezone.now())
        tenant = setup.tenant
        events.record(
            events.TENANT_IDENTITY_READY,
            subject=tenant.id,
            payload={**tenant_payload(tenant), "identityProvider": setup.provider, "authId": auth_id},
            actor=actor,
            mails=["identity_invitation"] if provider.invites_by_our_mail else [],
        )
    return auth_id


@contextmanager
def _claim(name: str) -> Iterator[None]:
    """Hold the claim `name`. Raises Unreachable while somebody else does: repeated, the call finds it done, or free."""
    name = name[:255]
    until = timezone.now() + timedelta(seconds=settings.IDENTITY_SETUP_TIMEOUT) + LAST_STEP
    with meanwhile():
        holder = IdentityClaim.take(name, until=until)
    if holder is None:
        raise Unreachable("This is being set up by another call just now.", retry_after=2)
    try:
        yield
    finally:
        IdentityClaim.give_back(name, holder)


def plan(*, tenant_id: uuid.UUID, provider: str = "") -> Iterator[tuple[str, str]]:
    """What `set_up_identity` would do, and what is there already; nothing is changed. Raises as that does."""
    tenant = Tenant.objects.filter(id=tenant_id).first()
    if tenant is None:
        raise NotFound
    run = _run_of(tenant)
    name = _own_provider(tenant) or provider or settings.IDENTITY_PROVIDER
    setup = IdentitySetup.objects.filter(tenant=tenant, provider=name, tier=run.tier).first()
    known = setup.memory_values if setup else {}
    return providers.get(name).dry_run(profile_of(tenant, run, name), Memory(known, save=lambda values: None))


def _run_of(tenant: Tenant) -> ProvisioningRun:
    """The run whose tier counts: the open one, or of an ACTIVE tenant the last that succeeded."""
    state = {
        TenantStatus.PROVISIONING: ProvisioningRun.State.OPEN,
        TenantStatus.ACTIVE: ProvisioningRun.State.SUCCEEDED,
    }.get(TenantStatus(tenant.status))
    runs = tenant.runs.filter(kind=ProvisioningRun.Kind.PROVISION, state=state)
    run = runs.order_by("-created_on").first() if state is not None else None
    if run is None:
        raise Conflict(
            _("A tenant that is %s has no identity to set up: provision it first.") % TenantStatus(tenant.status).label,
            code="not_provisioned",
        )
    return run


def _own_provider(tenant: Tenant) -> str | None:
    config = tenant.configs(manager="objects").filter(config_key=PROVIDER_CONFIG).first()
    if config is None:
        return None
    name = config.config_value.get("name") if isinstance(config.config_value, dict) else None
    if not isinstance(name, str) or not name:
        raise BadRequest(
            _('The tenant\'s configuration %s must be {"name": "…"}.') % PROVIDER_CONFIG, code="bad_config"
        )
    return name


def _provider_of(tenant: Tenant, wanted: str, actor: uuid.UUID | None) -> str:
    """The tenant's own provider; where it has none, the one that is wanted, from now on its own."""
    own = _own_provider(tenant)
    if own is None:
        wanted = wanted or settings.IDENTITY_PROVIDER
        if not wanted:
            raise BadRequest(
                _("The tenant has no identity provider: name one, or set IDENTITY_PROVIDER."), code="no_provider"
            )
        providers.get(wanted)  # what cannot be used does not become anybody's setting
        TenantConfig.objects.get_or_create(
            tenant=tenant,
            config_key=PROVIDER_CONFIG,
            defaults={"config_value": {"name": wanted}, "created_by": actor, "modified_by": actor},
        )
        own = _own_provider(tenant)  # of two callers who wanted different ones, one was first
    if own is None or (wanted and wanted != own):
        raise BadRequest(
            _("identityProvider: the tenant's is %(own)s, not %(wanted)s.") % {"own": own, "wanted": wanted[:100]},
            code="disagrees",
        )
    return own


def _must_agree(tenant: Tenant, run: ProvisioningRun, told: dict[str, Any]) -> None:
    """Raises BadRequest, naming the first thing that a caller has otherwise than our database."""
    said = told["tenant"]
    facts = [
        ("tenant.id", said["id"], tenant.id),
        ("tenant.key", said["key"], tenant.key),
        ("tenant.name", said["name"], tenant.name),
        ("plan.tier", told["plan"]["tier"].upper(), run.tier),
    ]
    contacts: dict[str, list[Contact]] = defaultdict(list)
    for contact in tenant.contacts(manager="objects").all():
        contacts[comparable_address(contact.email)].append(contact)
    primary = tenant.primary_contact
    for index, person in enumerate(said["contacts"]):
        place, name = f"tenant.contacts[{index}]", (person["first_name"], person["last_name"])
        known = max(  # several people may share a mail address
            contacts[comparable_address(person["email"])],
            key=lambda each: ((each.first_name, each.last_name) == name, each == primary),
            default=None,
        )
        if known is None:
            raise BadRequest(_("%s: the tenant has no such contact.") % place, code="disagrees")
        facts += [
            (f"{place}.firstName", person["first_name"], known.first_name),
            (f"{place}.lastName", person["last_name"], known.last_name),
        ]
        if person["is_primary"]:
            facts.append((f"{place}.isPrimary", known.id, primary.id if isinstance(primary, Contact) else None))
    for place, stated, known in facts:
        if stated != known:
            raise BadRequest(_("%s is not what the tenant has now: read the tenant again.") % place, code="disagrees")
