"""Permission codes (CONTRACT section 2) as data, and the one rule that checks them."""

from collections.abc import Iterable

from rest_framework.permissions import BasePermission

CREATE_LEAD, UPDATE_LEAD, DELETE_LEAD, VIEW_LEAD = "10200", "10201", "10202", "10203"
CREATE_TENANT, UPDATE_TENANT, DELETE_TENANT, VIEW_TENANT = "10204", "10205", "10206", "10207"
CREATE_CONTACT, UPDATE_CONTACT, DELETE_CONTACT, VIEW_CONTACT = "10208", "10209", "10210", "10211"
CREATE_INVOICE, UPDATE_INVOICE, DELETE_INVOICE, VIEW_INVOICE = "10212", "10213", "10214", "10215"
PROVISION_TENANT = "10216"
CREATE_CONFIG, VIEW_CONFIG, UPDATE_CONFIG, DELETE_CONFIG = "10220", "10221", "10222", "10223"
CREATE_SUBSCRIPTION, UPDATE_SUBSCRIPTION, VIEW_SUBSCRIPTION = "7001", "7002", "7004"
CREATE_PLAN, UPDATE_PLAN, DELETE_PLAN, VIEW_PLAN = "7005", "7006", "7007", "7008"
CREATE_CUSTOMER, UPDATE_CUSTOMER, DELETE_CUSTOMER, VIEW_CUSTOMER = "5321", "5327", "5331", "5324"
CREATE_PAYMENT, UPDATE_PAYMENT, DELETE_PAYMENT, VIEW_PAYMENT = "5322", "5328", "5332", "5325"
CREATE_BILL, UPDATE_BILL, DELETE_BILL, VIEW_BILL = "5323", "5329", "5333", "5326"
BILLING = (
    CREATE_CUSTOMER, CREATE_PAYMENT, CREATE_BILL, VIEW_CUSTOMER, VIEW_PAYMENT, VIEW_BILL,
    UPDATE_CUSTOMER, UPDATE_PAYMENT, UPDATE_BILL, DELETE_CUSTOMER, DELETE_PAYMENT, DELETE_BILL,
)  # fmt: skip

LEAD_CODES = (
    CREATE_TENANT,
    PROVISION_TENANT,
    VIEW_LEAD,
    VIEW_PLAN,
    VIEW_SUBSCRIPTION,
    CREATE_INVOICE,
    *BILLING,
    CREATE_CONFIG,
    VIEW_CONFIG,
    UPDATE_CONFIG,
    DELETE_CONFIG,
)
"""What a lead's token carries; it is confined to the lead's own objects besides."""

DJANGO_PERMISSIONS = {
    CREATE_LEAD: "leads.add_lead",
    UPDATE_LEAD: "leads.change_lead",
    DELETE_LEAD: "leads.delete_lead",
    VIEW_LEAD: "leads.view_lead",
    CREATE_TENANT: "tenants.add_tenant",
    UPDATE_TENANT: "tenants.change_tenant",
    DELETE_TENANT: "tenants.delete_tenant",
    VIEW_TENANT: "tenants.view_tenant",
    PROVISION_TENANT: "tenants.provision_tenant",
    CREATE_CONTACT: "tenants.add_contact",
    UPDATE_CONTACT: "tenants.change_contact",
    DELETE_CONTACT: "tenants.delete_contact",
    VIEW_CONTACT: "tenants.view_contact",
    CREATE_INVOICE: "billing.add_invoice",
    UPDATE_INVOICE: "billing.change_invoice",
    DELETE_INVOICE: "billing.delete_invoice",
    VIEW_INVOICE: "billing.view_invoice",
    CREATE_CONFIG: "tenants.add_tenantconfig",
    VIEW_CONFIG: "tenants.view_tenantconfig",
    UPDATE_CONFIG: "tenants.change_tenantconfig",
    DELETE_CONFIG: "tenants.delete_tenantconfig",
    CREATE_PLAN: "billing.add_plan",
    UPDATE_PLAN: "billing.change_plan",
    DELETE_PLAN: "billing.delete_plan",
    VIEW_PLAN: "billing.view_plan",
    CREATE_SUBSCRIPTION: "billing.add_subscription",
    UPDATE_SUBSCRIPTION: "billing.change_subscription",
    VIEW_SUBSCRIPTION: "billing.view_subscription",
    CREATE_CUSTOMER: "billing.add_billingcustomer",
    UPDATE_CUSTOMER: "billing.change_billingcustomer",
    DELETE_CUSTOMER: "billing.delete_billingcustomer",
    VIEW_CUSTOMER: "billing.view_billingcustomer",
    CREATE_PAYMENT: "billing.add_payment",
    VIEW_PAYMENT: "billing.view_payment",
    DELETE_BILL: "billing.add_creditnote",
    VIEW_BILL: "billing.view_creditnote",
}
"""The permission of the admin that stands behind a code: a group gives both at once."""

ALL_CODES = frozenset({*DJANGO_PERMISSIONS, *LEAD_CODES})


def codes_of(user) -> list[str]:
    """The codes that a Django user has: every one for a superuser, else those of its groups and own permissions."""
    if user.is_superuser:
        return sorted(ALL_CODES)
    held = user.get_all_permissions()
    return sorted(code for code, permission in DJANGO_PERMISSIONS.items() if permission in held)


class HasPermissionCode(BasePermission):
    """Whether the token carries one of the codes that the view declares for its action.

    A view says `permission_codes = {action: codes}`, an APIView keys them by the lower-case method. What is not
    declared is refused. A lead's token may besides do what the view lists as `lead_actions`, on its own objects, and
    never what it lists as `staff_actions`, whatever its codes.
    """

    def has_permission(self, request, view) -> bool:
        action = getattr(view, "action", None) or request.method.lower().replace("head", "get")
        codes: Iterable[str] = getattr(view, "permission_codes", {}).get(action, ())
        if request.user is None:
            return False
        if request.user.lead_id is not None:
            if action in getattr(view, "staff_actions", ()):
                return False
            if action in getattr(view, "lead_actions", ()):
                return True
        return not request.user.permissions.isdisjoint(codes)
