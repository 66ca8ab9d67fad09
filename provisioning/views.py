"""Provision and deprovision a tenant."""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from config.api import ApiViewSet
from config.schema import model_schema
from identity import permissions as codes
from provisioning.requests import request_deprovisioning, request_provisioning
from provisioning.serializers import SubscriptionSerializer
from tenants.serializers import TenantSerializer


@model_schema("Tenant", "Tenants")
class ProvisioningViewSet(ApiViewSet):
    serializer_class = TenantSerializer
    permission_codes: ClassVar = {"provision": (codes.PROVISION_TENANT,), "deprovision": (codes.DELETE_TENANT,)}

    @extend_schema(
        operation_id="provisionTenant",
        summary="Provision, or retry after a failure",
        request=SubscriptionSerializer,
        responses={204: None},
    )
    def provision(self, request, id):
        """PENDINGPROVISION or PROVISIONFAILED → PROVISIONING; an event with a fresh secret leaves."""
        tenant = self.found(id=id)
        subscription = self.valid(SubscriptionSerializer)
        request_provisioning(tenant_id=tenant.id, subscription=_on_the_wire(subscription), actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="deprovisionTenant", summary="Deprovision", request=None, responses={204: None})
    def deprovision(self, request, id):
        """ACTIVE, INACTIVE or PROVISIONFAILED → DEPROVISIONING; an event with a fresh secret leaves."""
        request_deprovisioning(tenant_id=self.found(id=id).id, actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _on_the_wire(subscription: dict[str, Any]) -> dict[str, Any]:
    """As the event carries it: camelCase, times as text."""
    return dict(SubscriptionSerializer(subscription).data)
