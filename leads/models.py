"""Prospective customers and the keys that prove their mail addresses."""

import hashlib
import uuid

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from config.domains import mail_domain
from config.fields import one_line
from config.models import AuditedManager, AuditedModel, AuditedQuerySet


class AddressQuerySet(AuditedQuerySet):
    def visible_to(self, principal):
        lead_id = getattr(principal, "lead_id", None)
        own = models.Q(leads=lead_id) | models.Q(tenants__lead=lead_id)
        return self if lead_id is None else self.filter(own).distinct()


class Address(AuditedModel):
    """A postal address; only the country is certain. It is of the lead, the tenant, or both, that point at it."""

    objects = AuditedManager.from_queryset(AddressQuerySet)()
    everything = models.Manager.from_queryset(AddressQuerySet)()

    address = models.CharField(_("street"), max_length=500, null=True, blank=True)
    city = models.CharField(_("city"), max_length=100, null=True, blank=True, validators=[one_line])
    state = models.CharField(_("state or region"), max_length=100, null=True, blank=True, validators=[one_line])
    zip = models.CharField(_("postal code"), max_length=25, null=True, blank=True, validators=[one_line])
    country = models.CharField(_("country"), max_length=25, validators=[one_line])

    class Meta(AuditedModel.Meta):
        db_table = "addresses"
        verbose_name, verbose_name_plural = _("address"), _("addresses")

    def __str__(self):
        return ", ".join(filter(None, (self.address, self.zip, self.city, self.state, self.country)))


class Lead(AuditedModel):
    """Somebody who has signed up; `is_validated` once the mail address is proved."""

    owned_through = "id"

    first_name = models.CharField(_("first name"), max_length=100, validators=[one_line])
    last_name = models.CharField(_("last name"), max_length=100, validators=[one_line])
    company_name = models.CharField(_("company"), max_length=100, validators=[one_line])
    email = models.EmailField(_("email address"), max_length=100)
    is_validated = models.BooleanField(_("verified"), default=False)
    address = models.ForeignKey(
        Address, models.PROTECT, verbose_name=_("address"), null=True, blank=True, related_name="leads"
    )
    # What mails are written in: one of LANGUAGES, or empty for the service's own. Not on the wire.
    language = models.CharField(_("language"), max_length=10, blank=True, default="", db_default="")

    class Meta(AuditedModel.Meta):
        db_table = "leads"
        verbose_name, verbose_name_plural = _("lead"), _("leads")
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="one_validated_lead_per_email",
                condition=models.Q(is_validated=True, deleted=False),
                violation_error_message=_("This email address belongs to somebody who has signed up already."),
                violation_error_code="email_taken",
            )
        ]
        indexes = [
            *AuditedModel.Meta.indexes,
            models.Index(fields=["email"], name="leads_by_email", condition=models.Q(deleted=False)),
        ]

    def __str__(self):
        return f"{self.first_name} {self.last_name} <{self.email}>"

    @property
    def email_domain(self) -> str:
        return mail_domain(self.email)


class LeadKey(models.Model):
    """A key that was mailed: only its hash is kept, it works once, not for long, and for the address it went to."""

    id = models.UUIDField(_("ID"), primary_key=True, default=uuid.uuid4, editable=False)
    lead = models.ForeignKey(Lead, models.CASCADE, verbose_name=_("lead"), related_name="keys")
    key_hash = models.CharField(_("hash"), max_length=64, editable=False)
    created_on = models.DateTimeField(_("created on"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("valid until"), db_index=True)
    used_at = models.DateTimeField(_("used on"), null=True, blank=True)

    class Meta:
        db_table = "lead_keys"
        verbose_name, verbose_name_plural = _("lead key"), _("lead keys")
        constraints = [models.UniqueConstraint(fields=["key_hash"], name="lead_key_hash_unique")]

    def __str__(self):
        return _("key of %s") % self.lead_id

    @staticmethod
    def hash(key: str, email: str) -> str:
        return hashlib.sha256(f"{key} {email}".encode("utf-8", "surrogateescape")).hexdigest()
