"""Tokens for staff: username and password of a Django user in, JSON Web Tokens out."""

from typing import ClassVar

from django.contrib.auth import authenticate
from django.contrib.auth.models import update_last_login
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import InvalidToken, TokenError

from config.api import ApiView
from config.throttling import LoginLimit
from identity import tokens
from identity.serializers import CredentialsSerializer, RefreshSerializer, TokenPairSerializer
from identity.two_factor import passes


class PublicView(ApiView):
    public_actions = frozenset({"post"})
    throttles: ClassVar = {"post": LoginLimit}


class TokenView(PublicView):
    @extend_schema(
        operation_id="createToken",
        tags=["Authentication"],
        summary="Log in",
        request=CredentialsSerializer,
        responses={200: TokenPairSerializer},
    )
    def post(self, request):
        """Exchange the username and password of a staff member for a pair of tokens."""
        given = self.valid(CredentialsSerializer)
        code = given.pop("otp", "")
        user = authenticate(request._request, **given)
        if user is None:
            raise AuthenticationFailed("The username or the password is wrong.")
        if not passes(request._request, user, code):
            raise AuthenticationFailed("The code of the authenticator app is missing or wrong.", code="code_required")
        pair = tokens.pair_for(user, second_factor=getattr(user, "otp_device", None) is not None)
        update_last_login(None, user)
        return Response(pair)


class RefreshView(PublicView):
    @extend_schema(
        operation_id="refreshToken",
        tags=["Authentication"],
        summary="Get the next pair of tokens",
        request=RefreshSerializer,
        responses={200: TokenPairSerializer},
    )
    def post(self, request):
        """Exchange a refresh token, once, for a pair with the permissions that the user has now."""
        try:
            return Response(tokens.exchange(self.valid(RefreshSerializer)["refresh"]))
        except TokenError as error:
            raise InvalidToken(error.args[0]) from error


class RevokeView(PublicView):
    @extend_schema(
        operation_id="revokeToken",
        tags=["Authentication"],
        summary="Log out",
        request=RefreshSerializer,
        responses={204: None},
    )
    def post(self, request):
        """Make a refresh token worthless. The access token made with it ends by its own expiry."""
        try:
            tokens.RefreshToken(self.valid(RefreshSerializer)["refresh"]).blacklist()
        except TokenError as error:
            raise InvalidToken(error.args[0]) from error
        return Response(status=status.HTTP_204_NO_CONTENT)
