"""The public sign-up, the verification, and the leads as staff (or a lead itself) see them."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAuthenticated
from rest_framework.response import Response

from config.api import ApiViewSet
from config.schema import model_schema
from config.throttling import PublicLimit
from identity.authentication import bearer_token
from identity.idempotency import IdempotentMixin
from identity.permissions import VIEW_LEAD
from leads.serializers import LeadSerializer, SignedUpSerializer, SignUpSerializer, VerifiedSerializer
from leads.verification import register_lead, verify_lead


@model_schema("Lead", "Leads")
class LeadViewSet(IdempotentMixin, ApiViewSet):
    serializer_class = LeadSerializer
    search_fields = ("first_name", "last_name", "company_name", "email")
    permission_codes: ClassVar = {"list": (VIEW_LEAD,), "count": (VIEW_LEAD,), "retrieve": (VIEW_LEAD,)}
    not_idempotent = frozenset({"verify"})
    public_actions = frozenset({"create", "verify"})  # they know the caller by the body and by the key
    throttles: ClassVar = {"create": PublicLimit, "verify": PublicLimit}

    @extend_schema(
        operation_id="signUp",
        summary="Sign up",
        request=SignUpSerializer,
        responses={200: SignedUpSerializer},
        auth=[],
    )
    def create(self, request) -> Response:
        """Public. A mail with a link goes out; the answer is the same whether the address is known or not."""
        id, key = register_lead(**self.valid(SignUpSerializer))
        return Response({"id": id} | ({"key": key} if key else {}))

    @extend_schema(
        operation_id="verifyLead",
        summary="Prove the mail address",
        request=None,
        responses={200: VerifiedSerializer},
        auth=[{"leadKey": []}],
    )
    def verify(self, request, id) -> Response:
        """Takes the key of the mail as bearer, once, and answers the lead's JWT."""
        key = bearer_token(request)
        if key is None:
            raise NotAuthenticated("The key is missing.")
        return Response({"id": id, "token": verify_lead(lead_id=id, key=key)})
