"""What provisioners call: the report at the end, and the identity provider's set-up in between."""

from typing import ClassVar

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.response import Response

from config.api import ApiView
from config.parsing import unstorable_path
from config.throttling import WebhookLimit
from provisioning.identity_setup import set_up_identity
from provisioning.models import ProvisioningRun
from webhooks import handlers
from webhooks.receiving import act_on, answering, is_settled, stored
from webhooks.serializers import AuthIdSerializer, CallbackSerializer, UsersCallSerializer
from webhooks.signatures import BadSignature, must_be_live, run_behind_users_call, run_behind_webhook


class SignedView(ApiView):
    """Knows its caller by a signature over the raw body, so the body is read before DRF would parse it."""

    public_actions = frozenset({"post"})
    throttles: ClassVar = {"post": WebhookLimit}

    def storable(self, body: dict) -> dict:
        """`body`, unless no database could hold it. Raises ValidationError (422)."""
        if unstorable_path(body) is not None:
            raise ValidationError("A text holds a NUL or a lone surrogate.", code="unstorable")
        return body

    def checked(self, serializer_class, body: dict):
        """`body` after its schema. Raises ValidationError (422)."""
        serializer = serializer_class(data=body)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


class WebhookView(SignedView):
    @extend_schema(
        operation_id="webhook",
        tags=["Provisioners"],
        summary="Report the end of a provisioning run",
        request=CallbackSerializer,
        responses={204: None},
        auth=[{"signature": [], "timestamp": []}],
    )
    def post(self, request):
        """Signed with the run's secret and context. The same report again is answered 204 and changes nothing."""
        run, body = run_behind_webhook(request._request)
        call = stored(run=run, request=request._request, body=self.storable(body))
        if not is_settled(call):
            with answering(call):
                must_be_live(run)
                report = self.checked(CallbackSerializer, body)
                handler = handlers.active().get(report["type"])
                if handler is None:
                    raise ValidationError({"type": ErrorDetail("There is no such type.", code="enum")})
                act_on(call, data=report["data"], handler=handler)
        return Response(status=status.HTTP_204_NO_CONTENT)


class UsersView(SignedView):
    @extend_schema(
        operation_id="manageUsers",
        tags=["Provisioners"],
        summary="Set up the tenant's identity provider",
        request=UsersCallSerializer,
        responses={200: AuthIdSerializer},
        auth=[{"signature": [], "timestamp": []}],
    )
    def post(self, request):
        """Signed with the run's secret; possible while the run is open. Everything is read from the service's own data:
        the body's copy is checked to agree (400). Tenant and contacts may have the other fields that they have in the
        event or the API, and a plan whatever it has beside its tier: that is ignored; what else a tenant or contact has
        is refused (422). The same call again answers the same authId; what failed goes on from where it was."""
        run, body = run_behind_users_call(request._request)
        call = stored(run=run, request=request._request, body=self.storable(body))
        with answering(call):
            must_be_live(run)
            if run.kind != ProvisioningRun.Kind.PROVISION:
                raise BadSignature("The secret was given for something else.")
            told = self.checked(UsersCallSerializer, body)
            auth_id = set_up_identity(
                tenant_id=run.tenant_id,
                provider=told["tenant"]["identity_provider"],
                told=told,
                actor=settings.SYSTEM_USER_ID,
            )
        call.note_answer(200)
        return Response({"authId": auth_id})
