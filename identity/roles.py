"""The roles that staff are given: groups, each with the permissions behind codes of CONTRACT section 2.

A group gives both at once, so the API and the back-office agree. A migration (0002_roles) makes them; what an
installation changes in them later is its own.
"""

from collections.abc import Iterable

from identity.permissions import (
    CREATE_CONFIG,
    CREATE_CONTACT,
    CREATE_CUSTOMER,
    CREATE_INVOICE,
    CREATE_LEAD,
    CREATE_PAYMENT,
    CREATE_PLAN,
    CREATE_SUBSCRIPTION,
    CREATE_TENANT,
    DELETE_BILL,
    DELETE_CONFIG,
    DELETE_CONTACT,
    DELETE_CUSTOMER,
    DELETE_INVOICE,
    DELETE_LEAD,
    DELETE_PLAN,
    DELETE_TENANT,
    DJANGO_PERMISSIONS,
    PROVISION_TENANT,
    UPDATE_CONFIG,
    UPDATE_CONTACT,
    UPDATE_CUSTOMER,
    UPDATE_INVOICE,
    UPDATE_LEAD,
    UPDATE_PLAN,
    UPDATE_SUBSCRIPTION,
    UPDATE_TENANT,
)

ADMINISTRATOR, OPERATOR, BILLING, SUPPORT = "Administrator", "Operator", "Billing", "Support"

CODES: dict[str, frozenset[str]] = {
    ADMINISTRATOR: frozenset(DJANGO_PERMISSIONS),
    OPERATOR: frozenset(
        {
            CREATE_LEAD, UPDATE_LEAD, DELETE_LEAD, CREATE_TENANT, UPDATE_TENANT, DELETE_TENANT, PROVISION_TENANT,
            CREATE_CONTACT, UPDATE_CONTACT, DELETE_CONTACT, CREATE_CONFIG, UPDATE_CONFIG, DELETE_CONFIG,
        }
    ),
    BILLING: frozenset(
        {
            CREATE_INVOICE, UPDATE_INVOICE, DELETE_INVOICE, CREATE_PLAN, UPDATE_PLAN, DELETE_PLAN, CREATE_SUBSCRIPTION,
            UPDATE_SUBSCRIPTION, CREATE_CUSTOMER, UPDATE_CUSTOMER, DELETE_CUSTOMER, CREATE_PAYMENT, DELETE_BILL,
        }
    ),
    SUPPORT: frozenset(),
}  # fmt: skip
"""What each may do; all of them may look at everything."""

LOOKED_AT = ("leads", "tenants", "billing", "provisioning", "webhooks", "auditlog")
OF_ADMINISTRATORS = ("identity.*_user", "auth.*_group", "tenants.*_resource", "tenants.*_branding", "leads.*_address")


def permissions_of(role: str, known: Iterable[str]) -> set[str]:
    """Which of the `known` permissions, as app.codename, the role has."""
    held = {DJANGO_PERMISSIONS[code] for code in CODES[role]}
    for name in known:
        app, _, codename = name.partition(".")
        verb, _, model = codename.partition("_")
        if app in LOOKED_AT and verb == "view":
            held.add(name)
        if role == ADMINISTRATOR and f"{app}.*_{model}" in OF_ADMINISTRATORS:
            held.add(name)
    return held


def make_roles(group_model, permission_model) -> None:
    """Make the groups that are not there yet, with their permissions; those that are stay as they are."""
    rows = permission_model.objects.select_related("content_type")
    known = {f"{each.content_type.app_label}.{each.codename}": each for each in rows}
    for role in CODES:
        group, made = group_model.objects.get_or_create(name=role)
        if made:
            group.permissions.set(known[name] for name in permissions_of(role, known) if name in known)
