"""The public sign-up, the verification, and the leads as staff (or a lead itself) see them."""

from typing import ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotAuthenticated
from rest_framework.response import Response

from config.api import ApiViewSet
from config.errors import BadRequest
from config.language import language_of
from config.schema import model_schema
from config.throttling import PublicLimit
from identity.authentication import bearer_token
from identity.idempotency import IdempotentMixin, calling_out, is_answered, is_repetition
from identity.permissions import VIEW_LEAD
from leads import challenges
from leads.abuse import check_form, limit_resends, limit_sign_ups
from leads.serializers import LeadSerializer, SignedUpSerializer, SignUpSerializer, VerifiedSerializer
from leads.verification import register_lead, request_link, verify_lead


@model_schema("Lead", "Leads")
class LeadViewSet(IdempotentMixin, ApiViewSet):
    serializer_class = LeadSerializer
    search_fields = ("first_name", "last_name", "company_name", "email")
    permission_codes: ClassVar = {"list": (VIEW_LEAD,), "count": (VIEW_LEAD,), "retrieve": (VIEW_LEAD,)}
    not_idempotent = frozenset({"verify"})
    public_actions = frozenset({"create", "verify", "resend"})  # they know the caller by the body, the key, the id
    throttles: ClassVar = {"create": PublicLimit, "verify": PublicLimit, "resend": PublicLimit}

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        # Here, where no transaction is open: a challenge is checked by a call, and takes an answer once.
        if self.action_name == "create" and not is_answered(request):
            check_form(stamp=request.headers.get("X-Form-Stamp"), trap=request.headers.get("X-Form-Trap"))
            if (challenge := challenges.active()) is not None:
                try:
                    with calling_out(request):
                        challenges.check(challenge, request)
                except BadRequest:
                    if not is_repetition(request):  # of a request that has spent the answer
                        raise

    @extend_schema(
        operation_id="signUp",
        summary="Sign up",
        request=SignUpSerializer,
        responses={200: SignedUpSerializer},
        parameters=[
            OpenApiParameter(
                "X-Challenge-Response", str, OpenApiParameter.HEADER, description="Where CHALLENGE_PROVIDER is set."
            )
        ],
        auth=[],
    )
    def create(self, request) -> Response:
        """Public. A mail with a link goes out; the answer is the same whether the address is known or not."""
        values = self.valid(SignUpSerializer)
        limit_sign_ups(request, values["email"])
        id, key = register_lead(**values, language=language_of(request))
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

    @extend_schema(
        operation_id="resendLink",
        summary="Ask for a new mail",
        request=None,
        responses={204: None},
        auth=[],
    )
    def resend(self, request, id) -> Response:
        """Public. Mails a fresh link to the lead, once per RESEND_COOLDOWN; an unknown id is answered alike."""
        limit_resends(request, id)
        request_link(lead_id=id)
        return Response(status=status.HTTP_204_NO_CONTENT)
