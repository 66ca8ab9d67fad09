"""The sums for the dashboard, and what payment gateways tell of."""

import re
from typing import ClassVar

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.response import Response

from billing import gateways, settlement
from billing.gateways.base import NotificationRefused
from billing.serializers import SummarySerializer
from billing.summary import summary
from config.api import ApiView
from config.errors import BadRequest
from config.throttling import WebhookLimit
from identity import permissions as codes

MAX_MONTHS = 36


class SummaryView(ApiView):
    permission_codes: ClassVar = {"get": (codes.VIEW_BILL, codes.VIEW_INVOICE)}
    staff_actions = frozenset({"get"})
    error_statuses: ClassVar = {"get": (400,)}

    @extend_schema(
        operation_id="getBillingSummary",
        tags=["Billing"],
        summary="What was issued, paid and is overdue, and the recurring revenue",
        parameters=[OpenApiParameter("months", int, description=f"12 unless said; at most {MAX_MONTHS}.")],
        responses={200: SummarySerializer},
    )
    def get(self, request):
        """Per currency, and month by month up to the present one."""
        wanted = request.query_params.get("months", "12")
        if not re.fullmatch("[0-9]{1,4}", wanted) or not 1 <= int(wanted) <= MAX_MONTHS:
            raise BadRequest(f"months must be a whole number from 1 to {MAX_MONTHS}.")
        return Response(SummarySerializer(summary(months=int(wanted))).data)


class NotificationView(ApiView):
    public_actions = frozenset({"post"})
    throttles: ClassVar = {"post": WebhookLimit}
    error_statuses: ClassVar = {"post": (401, 404, 409)}

    @extend_schema(
        operation_id="notifyOfPayment",
        tags=["Billing"],
        summary="What a payment gateway has received",
        request=OpenApiTypes.OBJECT,
        responses={204: None},
        auth=[],
    )
    def post(self, request, gateway):
        """For the gateways of PAYMENT_GATEWAYS, in a format and signed in a way of their own. May be repeated."""
        known = gateways.active().get(gateway)
        if known is None:
            raise Http404
        try:
            receipts = known.receipts(request.headers, request._request.body)
        except NotificationRefused as error:
            raise AuthenticationFailed(str(error)) from error
        for receipt in receipts:
            settlement.record_receipt(receipt, gateway=gateway)
        return Response(status=status.HTTP_204_NO_CONTENT)
