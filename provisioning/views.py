"""Provision and deprovision a tenant."""

import uuid
from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework import status
from rest_framework.response import Response

from billing.models import Invoice
from billing.money import shown
from config.api import ApiView, ApiViewSet
from config.downloads import attachment
from config.errors import body as error_body
from config.filters import read_page
from config.schema import model_schema
from identity import permissions as codes
from identity.idempotency import IdempotentMixin
from provisioning.offboarding import export, restore
from provisioning.requests import provision_on_plan, request_deprovisioning, request_provisioning, rotate_secret
from provisioning.schemas import event_schema
from provisioning.serializers import PlanChoiceSerializer, RequestedSubscriptionSerializer, TimelineEntrySerializer
from provisioning.timeline import subjects_of, timeline_of
from tenants.serializers import TenantSerializer


class EventSchemaView(ApiView):
    public_actions = frozenset({"get"})

    @extend_schema(
        operation_id="getEventSchema",
        tags=["Provisioners"],
        summary="The JSON Schemas of all events",
        responses={200: OpenApiTypes.OBJECT},
        auth=[],
    )
    def get(self, request):
        """One JSON Schema (draft 2020-12) for what connectors publish; the types are told apart by `type`."""
        return Response(event_schema())


@model_schema("Tenant", "Tenants")
class ProvisioningViewSet(IdempotentMixin, ApiViewSet):
    serializer_class = TenantSerializer
    permission_codes: ClassVar = {
        "provision": (codes.PROVISION_TENANT,),
        "deprovision": (codes.DELETE_TENANT,),
        "restore": (codes.DELETE_TENANT,),
        "export": (codes.DELETE_TENANT,),
        "rotate_secret": (codes.PROVISION_TENANT,),
        "timeline": (codes.VIEW_TENANT,),
    }
    lead_actions = frozenset({"timeline"})
    error_statuses: ClassVar = {"provision": (402,), "timeline": (400,)}

    def known(self, id: uuid.UUID) -> uuid.UUID:
        """`id`, of a tenant that the caller may know of; it is read behind its lock. Raises Http404."""
        if not self.get_queryset().filter(id=id).exists():
            raise Http404
        return id

    @extend_schema(
        operation_id="provisionTenant",
        summary="Provision, or retry after a failure",
        request=PolymorphicProxySerializer(
            component_name="ProvisionRequest",
            serializers=[PlanChoiceSerializer, RequestedSubscriptionSerializer],
            resource_type_field_name=None,
        ),
        responses={204: None},
    )
    def provision(self, request, id):
        """PENDINGPROVISION or PROVISIONFAILED → PROVISIONING; an event with a fresh secret leaves.

        A plan of the catalogue is chosen by `planId`; a lead can choose no other way, and only what is for
        self-service. Staff and services may bring a whole subscription with a plan of their own, which is billed
        elsewhere. With BILLING_PAYMENT_FIRST the answer is 402 until the first invoice is paid.
        """
        tenant_id = self.known(id)
        if request.user.lead_id is not None or _names_a_plan(request.data):
            chosen = self.valid(PlanChoiceSerializer)
            unpaid = provision_on_plan(
                tenant_id=tenant_id, plan=chosen["plan"], reference=chosen.get("id", ""), actor=request.user.actor_id
            )
            if unpaid is not None:  # answered, not raised: what was issued stays
                return _payment_required(unpaid)
        else:
            subscription = dict(RequestedSubscriptionSerializer(self.valid(RequestedSubscriptionSerializer)).data)
            request_provisioning(tenant_id=tenant_id, subscription=subscription, actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="deprovisionTenant", summary="Deprovision", request=None, responses={204: None})
    def deprovision(self, request, id):
        """ACTIVE, INACTIVE or PROVISIONFAILED → DEPROVISIONING; an event with a fresh secret leaves."""
        request_deprovisioning(tenant_id=self.known(id), actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="rotateTenantSecret", summary="Rotate the run's secret", request=None, responses={204: None}
    )
    def rotate_secret(self, request, id):
        """A fresh secret for the open run leaves as an event; the former one holds for a while beside it."""
        rotate_secret(tenant_id=self.known(id), actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="restoreTenant", summary="Call a deprovisioning off", request=None, responses={204: None}
    )
    def restore(self, request, id):
        """DEPROVISIONING → the state before it, while the grace period lasts."""
        restore(tenant_id=self.known(id), actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="exportTenant",
        summary="Everything that is kept about a tenant",
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    def export(self, request, id):
        """A ZIP: tenant, lead, address, contacts, configs, resources and all of billing as JSON, invoices as PDF."""
        tenant = self.found(id=id)
        return attachment(export(tenant), f"{tenant.key}.zip", "application/zip")

    @extend_schema(
        operation_id="getTenantTimeline",
        summary="What happened, when, by whom, with what answer",
        parameters=[OpenApiParameter("limit", int), OpenApiParameter("offset", int)],
        responses={200: TimelineEntrySerializer(many=True)},
    )
    def timeline(self, request, id):
        """The newest first: status moves, mails and publications with attempts and replays, callbacks and refusals."""
        limit, offset = read_page(request.query_params)
        entries = timeline_of(subjects_of(self.found(id=id)), limit=limit, offset=offset)
        return Response(TimelineEntrySerializer(entries, many=True).data)


def _payment_required(invoice: Invoice) -> Response:
    message = f"Invoice {invoice.number} has to be paid first: {shown(invoice.open_amount, invoice.currency_code)}."
    return Response(error_body(402, message, code="PAYMENT_REQUIRED"), status=status.HTTP_402_PAYMENT_REQUIRED)


def _names_a_plan(body: Any) -> bool:
    """Whether a plan of the catalogue is meant: `planId` without a plan."""
    return isinstance(body, dict) and bool(body.get("planId")) and body.get("plan") is None
