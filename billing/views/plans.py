"""The catalogue, who has subscribed to what, and how tenants are named on invoices."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.response import Response

from billing import subscriptions
from billing.serializers import (
    AmendSubscriptionSerializer,
    BillingCustomerSerializer,
    ChangePlanSerializer,
    PlanSerializer,
    SubscriptionSerializer,
)
from config.api import ApiViewSet, crud_codes
from config.schema import model_schema
from identity import permissions as codes
from identity.idempotency import IdempotentMixin


@model_schema("Plan", "Plans")
class PlanViewSet(IdempotentMixin, ApiViewSet):
    """Without a token, or with one that lacks 7008, what is for self-service can be read, for a sign-up page."""

    serializer_class = PlanSerializer
    search_fields = ("name",)
    open_actions = frozenset({"list", "count", "retrieve"})
    permission_codes: ClassVar = crud_codes(
        create=codes.CREATE_PLAN, update=codes.UPDATE_PLAN, delete=codes.DELETE_PLAN, view=codes.VIEW_PLAN
    )

    def get_queryset(self):
        visible = super().get_queryset()
        reads_all = self.action not in self.open_actions or self._holds(codes.VIEW_PLAN)
        return visible if reads_all else visible.for_self_service()

    def _holds(self, code: str) -> bool:
        return self.request.user is not None and code in self.request.user.permissions


@model_schema("Subscription", "Subscriptions")
class SubscriptionViewSet(IdempotentMixin, ApiViewSet):
    serializer_class = SubscriptionSerializer
    error_statuses: ClassVar = {"change_plan": (409,)}
    search_fields = ("reference",)
    permission_codes: ClassVar = {
        **dict.fromkeys(("list", "count", "retrieve"), (codes.VIEW_SUBSCRIPTION,)),
        **dict.fromkeys(("partial_update", "change_plan"), (codes.UPDATE_SUBSCRIPTION,)),
        "create": (codes.CREATE_SUBSCRIPTION,),
    }

    def held(self, instance):
        return subscriptions.locked(instance.id)

    def perform_create(self, values):
        return subscriptions.sign(**values, actor=self.request.user.actor_id)

    @extend_schema(request=AmendSubscriptionSerializer, responses={204: None})
    def partial_update(self, request, id):
        """Price and tax rate hold from the next invoice on. `cancelAtPeriodEnd` true ends it with the paid period, or
        before where that is agreed, false takes that back; a subscription that waits for its tenant is cancelled at
        once.
        """
        found = self.found(id=id)
        values = self.valid(AmendSubscriptionSerializer, instance=found, partial=True)
        with self.audited(found):
            subscriptions.amend(id, values=values, actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="changePlanOfSubscription",
        summary="Move to another plan",
        request=ChangePlanSerializer,
        responses={200: SubscriptionSerializer},
    )
    def change_plan(self, request, id):
        """At the end of the paid period, or at once: then the rest of the period is prorated, and the difference
        invoiced or kept as credit for the next invoices.
        """
        chosen, found = self.valid(ChangePlanSerializer), self.found(id=id)
        with self.audited(found):
            changed = subscriptions.change_plan(
                found.id, plan=chosen["plan"], at_once=chosen["at"] == "now", actor=request.user.actor_id
            )
        return Response(self.shown(changed))


@model_schema("BillingCustomer", "Billing")
class BillingCustomerViewSet(IdempotentMixin, ApiViewSet):
    serializer_class = BillingCustomerSerializer
    search_fields = ("name",)
    permission_codes: ClassVar = crud_codes(
        create=codes.CREATE_CUSTOMER, update=codes.UPDATE_CUSTOMER, delete=codes.DELETE_CUSTOMER,
        view=codes.VIEW_CUSTOMER,
    )  # fmt: skip
