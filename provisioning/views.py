"""Provision and deprovision a tenant."""

import uuid
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, PolymorphicProxySerializer, extend_schema
from rest_framework import status
from rest_framework.response import Response

from config.api import ApiView, ApiViewSet
from config.filters import read_page
from config.schema import model_schema
from identity import permissions as codes
from identity.idempotency import IdempotentMixin
from provisioning.messages import subscription_to
from provisioning.offboarding import export, restore
from provisioning.requests import request_deprovisioning, request_provisioning, rotate_secret
from provisioning.schemas import event_schema
from provisioning.serializers import PlanChoiceSerializer, SubscriptionSerializer, TimelineEntrySerializer
from provisioning.timeline import timeline_of
from tenants.serializers import TenantSerializer


class EventSchemaView(ApiView):
    public_actions = frozenset({"get", "head"})

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

    @extend_schema(
        operation_id="provisionTenant",
        summary="Provision, or retry after a failure",
        request=PolymorphicProxySerializer(
            component_name="ProvisionRequest",
            serializers=[PlanChoiceSerializer, SubscriptionSerializer],
            resource_type_field_name=None,
        ),
        responses={204: None},
    )
    def provision(self, request, id):
        """PENDINGPROVISION or PROVISIONFAILED → PROVISIONING; an event with a fresh secret leaves.

        A plan of the catalogue is chosen by `planId`; a lead can choose no other way, and only what is for
        self-service. Staff and services may bring a whole subscription with a plan of their own.
        """
        tenant = self.found(id=id)
        if request.user.lead_id is not None or _names_a_plan(request.data):
            chosen = self.valid(PlanChoiceSerializer)
            subscription = subscription_to(chosen["plan"], id=chosen.get("id") or str(uuid.uuid4()))
        else:
            subscription = dict(SubscriptionSerializer(self.valid(SubscriptionSerializer)).data)
        request_provisioning(tenant_id=tenant.id, subscription=subscription, actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="deprovisionTenant", summary="Deprovision", request=None, responses={204: None})
    def deprovision(self, request, id):
        """ACTIVE, INACTIVE or PROVISIONFAILED → DEPROVISIONING; an event with a fresh secret leaves."""
        request_deprovisioning(tenant_id=self.found(id=id).id, actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="rotateTenantSecret", summary="Rotate the run's secret", request=None, responses={204: None}
    )
    def rotate_secret(self, request, id):
        """A fresh secret for the open run leaves as an event; the former one holds for a while beside it."""
        rotate_secret(tenant_id=self.found(id=id).id, actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="restoreTenant", summary="Call a deprovisioning off", request=None, responses={204: None}
    )
    def restore(self, request, id):
        """DEPROVISIONING → the state before it, while the grace period lasts."""
        restore(tenant_id=self.found(id=id).id, actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="exportTenant",
        summary="Everything that is kept about a tenant",
        responses={(200, "application/zip"): OpenApiTypes.BINARY},
    )
    def export(self, request, id):
        """A ZIP of JSON files: tenant, lead, address, contacts, configs, resources, invoices."""
        tenant = self.found(id=id)
        return HttpResponse(
            export(tenant),
            content_type="application/zip",
            headers={"Content-Disposition": f'attachment; filename="{tenant.key}.zip"', "Cache-Control": "no-store"},
        )

    @extend_schema(
        operation_id="getTenantTimeline",
        summary="What happened, when, by whom, with what answer",
        parameters=[OpenApiParameter("limit", int), OpenApiParameter("offset", int)],
        responses={200: TimelineEntrySerializer(many=True)},
    )
    def timeline(self, request, id):
        """The newest first: status moves, mails, publications with their attempts, callbacks received or refused."""
        limit, offset = read_page(request.query_params)
        entries = timeline_of(self.found(id=id), limit=limit, offset=offset)
        return Response(TimelineEntrySerializer(entries, many=True).data)


def _names_a_plan(body: Any) -> bool:
    """Whether a plan of the catalogue is meant: `planId` without a plan."""
    return isinstance(body, dict) and bool(body.get("planId")) and body.get("plan") is None
