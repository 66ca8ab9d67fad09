"""The customers, their people, and what was built for them."""

import re
import uuid

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from config.domains import HOSTNAME
from config.fields import one_line
from config.models import AuditedManager, AuditedModel, AuditedQuerySet
from identity import providers
from leads.models import Address, Lead
from tenants import signals

MAX_DOMAINS = 100
KEY_LENGTH = 10
KEY = re.compile(rf"[a-z0-9]{{1,{KEY_LENGTH}}}")

PROVIDER_CONFIG = "identityProvider"
"""The configuration that names a tenant's identity provider: {"name": "keycloak"}. One named like the provider holds
what that is told besides."""


def service_keys() -> frozenset[str]:
    """The configurations that the service itself goes by. They decide where a tenant's people log in, and name
    connections of the whole account, so a lead, who may write its own configurations, may only read these."""
    return frozenset({PROVIDER_CONFIG, *providers.known()})


class TenantStatus(models.IntegerChoices):
    ACTIVE = 0, "ACTIVE"
    PENDINGPROVISION = 1, "PENDINGPROVISION"
    PROVISIONING = 2, "PROVISIONING"
    PROVISIONFAILED = 3, "PROVISIONFAILED"
    DEPROVISIONING = 4, "DEPROVISIONING"
    INACTIVE = 5, "INACTIVE"


def validate_domains(value) -> None:
    """Host names in lower case, none twice. Raises ValidationError."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValidationError(_("Not a list of host names."), code="type")
    if len(value) > MAX_DOMAINS:
        raise ValidationError(_("There are more than %d domains.") % MAX_DOMAINS, code="maxItems")
    for item in value:
        if not HOSTNAME.fullmatch(item):
            raise ValidationError(_("Not a host name in lower case."), code="format")
    if len(set(value)) != len(value):
        raise ValidationError(_("A domain is there twice."), code="uniqueItems")


class TenantQuerySet(AuditedQuerySet):
    """Tells whom it deletes and restores; both need a transaction."""

    def soft_delete(self, *, actor: uuid.UUID | None) -> int:
        ids = self.alive().lock()
        deleted = super().soft_delete(actor=actor)
        signals.tenants_deleted.send(self.model, tenant_ids=ids, actor=actor)
        return deleted

    def restore(self, *, actor: uuid.UUID | None) -> int:
        ids = self.filter(deleted=True).lock()
        restored = super().restore(actor=actor)
        signals.tenants_restored.send(self.model, tenant_ids=ids, actor=actor)
        return restored


class Tenant(AuditedModel):
    """A customer. `status` is moved by `tenants.lifecycle` alone."""

    objects = AuditedManager.from_queryset(TenantQuerySet)()
    everything = models.Manager.from_queryset(TenantQuerySet)()

    owned_through = "lead_id"

    name = models.CharField(_("name"), max_length=100, validators=[one_line])
    status = models.PositiveSmallIntegerField(_("status"), choices=TenantStatus, default=TenantStatus.PENDINGPROVISION)
    key = models.CharField(
        _("key"),
        max_length=KEY_LENGTH,
        validators=[RegexValidator(r"^[a-z0-9]+\Z", _("Only lower-case letters and digits."), code="pattern")],
    )
    spoc_user_id = models.UUIDField(_("user ID of the contact"), null=True, blank=True)
    domains = models.JSONField(_("domains"), default=list, blank=True, validators=[validate_domains])
    lead = models.ForeignKey(
        Lead, models.PROTECT, verbose_name=_("lead"), null=True, blank=True, related_name="tenants"
    )
    address = models.ForeignKey(
        Address, models.PROTECT, verbose_name=_("address"), null=True, blank=True, related_name="tenants"
    )

    class Meta(AuditedModel.Meta):
        db_table = "tenants"
        verbose_name, verbose_name_plural = _("tenant"), _("tenants")
        permissions = [("provision_tenant", "Can provision tenant")]
        constraints = [
            models.UniqueConstraint(
                fields=["key"],
                name="tenant_key_unique",
                condition=models.Q(deleted=False),
                violation_error_message=_("This key belongs to another tenant."),
                violation_error_code="key_taken",
            ),
            models.UniqueConstraint(
                fields=["lead"],
                name="one_tenant_per_lead",
                condition=models.Q(deleted=False),
                violation_error_message=_("This lead has a tenant already."),
                violation_error_code="lead_has_tenant",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=TenantStatus.values),
                name="tenant_status_known",
                violation_error_message=_("This status does not exist."),
            ),
        ]
        indexes = [
            *AuditedModel.Meta.indexes,
            models.Index(
                fields=["status", "created_on", "id"], name="tenants_by_status", condition=models.Q(deleted=False)
            ),
            models.Index(fields=["name", "id"], name="tenants_by_name", condition=models.Q(deleted=False)),
            # Few values, so that PostgreSQL keeps each once: what a count reads is a third of any other index.
            models.Index(fields=["status"], name="tenants_counted", condition=models.Q(deleted=False)),
        ]

    def __str__(self):
        return f"{self.name} ({self.key})"

    @property
    def language(self) -> str:
        """What its people are written to in: that of the sign-up, or empty for the service's own."""
        return self.lead.language if self.lead else ""

    @property
    def listed_domains(self) -> str:
        return ", ".join(self.domains)

    @property
    def primary_contact(self) -> "Contact | None":
        """Who is written to: the primary contact, else the oldest; None without any."""
        return self.contacts(manager="objects").order_by("-is_primary", "created_on", "id").first()


class Contact(AuditedModel):
    """Somebody at a tenant. At most one is primary."""

    owned_through = "tenant__lead_id"

    first_name = models.CharField(_("first name"), max_length=100, validators=[one_line])
    last_name = models.CharField(_("last name"), max_length=100, validators=[one_line])
    email = models.EmailField(_("email address"), max_length=100)
    contact_type = models.CharField(_("type"), max_length=100, null=True, blank=True, validators=[one_line])
    is_primary = models.BooleanField(_("primary contact"), default=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, verbose_name=_("tenant"), related_name="contacts")

    class Meta(AuditedModel.Meta):
        db_table = "contacts"
        verbose_name, verbose_name_plural = _("contact"), _("contacts")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant"],
                name="one_primary_contact_per_tenant",
                condition=models.Q(is_primary=True, deleted=False),
                violation_error_message=_("This tenant has a primary contact already."),
                violation_error_code="primary_contact_exists",
            )
        ]
        indexes = [
            *AuditedModel.Meta.indexes,
            models.Index(fields=["email"], name="contacts_by_email", condition=models.Q(deleted=False)),
        ]

    def __str__(self):
        return f"{self.first_name} {self.last_name} <{self.email}>"


class Resource(AuditedModel):
    """Something that a provisioner has built for a tenant."""

    owned_through = "tenant__lead_id"

    type = models.CharField(_("type"), max_length=100, validators=[one_line])
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    external_identifier = models.CharField(_("identifier at the provider"), max_length=200, null=True, blank=True)
    tenant = models.ForeignKey(Tenant, models.PROTECT, verbose_name=_("tenant"), related_name="resources")

    class Meta(AuditedModel.Meta):
        db_table = "resources"
        verbose_name, verbose_name_plural = _("resource"), _("resources")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "external_identifier"],
                name="resource_identifier_unique",
                condition=models.Q(deleted=False),
                violation_error_message=_("This tenant has a resource of this identifier already."),
            )
        ]

    def __str__(self):
        return f"{self.type} {self.external_identifier}"


class TenantConfig(AuditedModel):
    """A named setting of a tenant, any JSON."""

    owned_through = "tenant__lead_id"

    config_key = models.CharField(_("name"), max_length=100, validators=[one_line])
    config_value = models.JSONField(_("value"))
    tenant = models.ForeignKey(Tenant, models.PROTECT, verbose_name=_("tenant"), related_name="configs")

    class Meta(AuditedModel.Meta):
        db_table = "tenant_mgmt_configs"
        verbose_name, verbose_name_plural = _("tenant configuration"), _("tenant configurations")
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "config_key"],
                name="config_key_unique",
                condition=models.Q(deleted=False),
                violation_error_message=_("This tenant has a configuration of this key already."),
                violation_error_code="config_key_taken",
            )
        ]

    def __str__(self):
        return self.config_key


class Branding(AuditedModel):
    """How a tenant's pages and documents look."""

    owned_through = "tenant__lead_id"

    theme_metadata = models.JSONField(_("theme"), default=dict, blank=True)
    description = models.TextField(_("description"), null=True, blank=True)
    logo = models.URLField(_("logo"), max_length=500, null=True, blank=True)
    website = models.URLField(_("website"), max_length=500, null=True, blank=True)
    tenant = models.ForeignKey(Tenant, models.PROTECT, verbose_name=_("tenant"), related_name="brandings")

    class Meta(AuditedModel.Meta):
        db_table = "branding_metadata"
        verbose_name, verbose_name_plural = _("branding"), _("branding")

    def __str__(self):
        return _("branding of %s") % self.tenant.name
