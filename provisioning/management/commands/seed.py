"""`manage.py seed`: three plans and a dozen tenants in every status, with leads, contacts and invoices.

A second run adds nothing.
"""

import random
import uuid
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from billing import terms
from billing.models import Invoice, InvoiceStatus, Payment, Plan, Subscription, SubscriptionStatus, Tier
from billing.numbering import take
from billing.parties import buyers, seller
from billing.periods import local_date
from billing.renewals import next_invoice
from leads.models import Address, Lead
from provisioning.models import ProvisioningRun
from tenants.models import Contact, Resource, Tenant, TenantConfig, TenantStatus

NAMESPACE = uuid.UUID("5eedda7a-0000-4000-8000-000000000000")
COMPANIES = (
    ("Acme Tools", "acme", "Ada", "Lovelace", "London", "GB"),
    ("Borealis Foods", "borealis", "Nils", "Bergström", "Umeå", "SE"),
    ("Cobalt Studio", "cobalt", "Inês", "Carvalho", "Porto", "PT"),
    ("Delta Freight", "delta", "Wanda", "Źródłowska", "Gdynia", "PL"),
    ("Ember Energy", "ember", "Kofi", "Mensah", "Accra", "GH"),
    ("Fjord Yachts", "fjord", "Sigrid", "Halvorsen", "Bergen", "NO"),
    ("Granite Legal", "granite", "Maeve", "O'Connor", "Galway", "IE"),
    ("Harbor Health", "harbor", "Grace", "Hopper", "Boston", "US"),
    ("Iris Optics", "iris", "Γεώργιος", "Παππάς", "Athens", "GR"),
    ("Juniper Press", "juniper", "Annie", "Ernaux", "Rouen", "FR"),
    ("Kestrel Air", "kestrel", "Linh", "Nguyễn", "Hanoi", "VN"),
    ("Lumen Schools", "lumen", "Rosa", "Jiménez", "Sevilla", "ES"),
)
PLANS = (
    ("Basic", Tier.BASIC, 19, ["3 users", "Mail support"], {"cpu": 1, "memory": 2}),
    ("Standard", Tier.STANDARD, 49, ["20 users", "Single sign-on", "Mail support"], {"cpu": 2, "memory": 4}),
    ("Premium", Tier.PREMIUM, 199, ["Own resources", "Single sign-on", "Telephone support"], {"cpu": 8, "memory": 16}),
)


class Command(BaseCommand):
    help = "Fill the database with examples; idempotent."

    @transaction.atomic
    def handle(self, **options):
        plans = {plan.tier: plan for plan, _ in (self.plan(*values) for values in PLANS)}
        made = sum(self.company(plans, index, *company) for index, company in enumerate(COMPANIES))
        for index, name in enumerate(("Mona", "Otto", "Pia")):
            self.lead(f"waiting-{index}", name, "Newcomer", f"{name} & Co", f"{name.lower()}@{name.lower()}.example")
        self.stdout.write(f"{made} tenants were added.")

    def plan(self, name, tier, price, features, size_config):
        return Plan.everything.get_or_create(
            id=uuid.uuid5(NAMESPACE, f"plan {tier}"),
            defaults={
                "name": name, "tier": tier, "price": Decimal(price), "currency_code": "EUR", "features": features,
                "size_config": size_config,
            },
        )  # fmt: skip

    def lead(self, label, first_name, last_name, company_name, email, **values):
        return Lead.objects.get_or_create(
            id=uuid.uuid5(NAMESPACE, f"lead {label}"),
            defaults={
                "first_name": first_name, "last_name": last_name, "company_name": company_name, "email": email, **values
            },
        )  # fmt: skip

    def company(self, plans, index, company, key, first, last, city, country) -> bool:
        chance = random.Random(key)
        now = timezone.now()
        born = now - timedelta(days=chance.randint(20, 300))
        status = TenantStatus.values[index % len(TenantStatus.values)]
        id = uuid.uuid5(NAMESPACE, f"tenant {key}")
        if Tenant.everything.filter(id=id).exists() or Tenant.objects.filter(key=key).exists():
            return False
        domain = f"{key}.example"
        address = Address.objects.create(city=city, country=country, created_on=born)
        lead, _ = self.lead(
            key, first, last, company, f"hello@{domain}", is_validated=True, address=address, created_on=born
        )
        tenant = Tenant.objects.create(
            id=id, name=company, key=key, domains=[domain], status=status, lead=lead, address=address, created_on=born
        )
        Contact.objects.create(
            tenant=tenant, first_name=first, last_name=last, email=lead.email, is_primary=True, created_on=born
        )
        Contact.objects.create(
            tenant=tenant, first_name="Bill", last_name="Payer", email=f"billing@{domain}", contact_type="billing"
        )
        TenantConfig.objects.create(tenant=tenant, config_key="locale", config_value={"country": country})
        tier = chance.choice(Tier.values)
        self.run(tenant, status, tier, now)
        if status in (TenantStatus.ACTIVE, TenantStatus.INACTIVE, TenantStatus.DEPROVISIONING):
            Resource.objects.create(
                tenant=tenant, type="s3", metadata={"bucket": f"seed-{key}"}, external_identifier=f"seed-{key}"
            )
            self.subscription(tenant, plans[tier], born)
        return True

    def subscription(self, tenant, plan, born) -> None:
        """Billed every month from `born` on, all paid but the last; nobody is told, as in the journey somebody is."""
        first = local_date(born)
        subscription = Subscription(
            tenant=tenant, status=SubscriptionStatus.ACTIVE, start_date=born, tax_rate=Decimal(19), created_on=born,
            next_invoice_on=first, anchor_day=first.day,
        )  # fmt: skip
        subscription.take_terms_of(plan)
        invoices: list[Invoice] = []
        while subscription.next_invoice_on <= local_date(timezone.now()):
            invoices += filter(None, [next_invoice(subscription, None)])
        subscription.save(force_insert=True)
        terms.keep([subscription], since=first)
        for invoice in invoices:
            invoice.issued_on = invoice.created_on = invoice.start_date
            invoice.due_date = invoice.issued_on + timedelta(days=14)
            (invoice.number,) = take(settings.INVOICE_SERIES, 1, now=invoice.issued_on)
            invoice.seller, invoice.buyer = seller(), buyers([tenant])[tenant.id]
            invoice.status = InvoiceStatus.PENDING
            if invoice is not invoices[-1]:
                invoice.status, invoice.paid_amount = InvoiceStatus.PAID, invoice.amount
        Invoice.objects.bulk_create(invoices)
        Payment.objects.bulk_create(
            Payment(invoice=invoice, amount=invoice.amount, date=invoice.due_date, method="bank transfer")
            for invoice in invoices[:-1]
        )

    def run(self, tenant, status, tier, now) -> None:
        """The run behind the status; an open one stays so for a year, a deprovisioning in its grace period."""
        if status == TenantStatus.PENDINGPROVISION:
            return
        kind = (
            ProvisioningRun.Kind.DEPROVISION
            if status == TenantStatus.DEPROVISIONING
            else (ProvisioningRun.Kind.PROVISION)
        )
        state = {
            TenantStatus.PROVISIONING: ProvisioningRun.State.OPEN,
            TenantStatus.DEPROVISIONING: ProvisioningRun.State.OPEN,
            TenantStatus.PROVISIONFAILED: ProvisioningRun.State.FAILED,
        }.get(status, ProvisioningRun.State.SUCCEEDED)
        failed = state == ProvisioningRun.State.FAILED
        ProvisioningRun.objects.create(
            tenant=tenant,
            kind=kind,
            state=state,
            reason="The provisioner reported a failure." if failed else "",
            tier=tier,
            isolation="silo" if tier == Tier.PREMIUM else "pooled",
            subscription={"id": f"seed-{tenant.key}", "plan": {"tier": tier}},
            former_status=TenantStatus.PENDINGPROVISION if kind == 0 else TenantStatus.ACTIVE,
            secret=uuid.uuid4().hex * 2,
            begins_at=now + timedelta(days=365) if kind == ProvisioningRun.Kind.DEPROVISION else now,
            expires_at=now + timedelta(days=730),
            finished_on=None if state == ProvisioningRun.State.OPEN else now,
        )
