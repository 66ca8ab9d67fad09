"""Tenants, their contacts and configurations; the onboarding of a lead; suspend and resume."""

from typing import ClassVar

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.response import Response

from config.api import ApiView, ApiViewSet, crud_codes
from config.filters import must_be_of_one, prefetches, read_filter
from config.schema import filter_parameter, including, model_schema, with_relations
from config.serializers import Selection, Serializer
from config.throttling import KeyCheckLimit, PublicLimit
from identity import permissions as codes
from identity.idempotency import IdempotentMixin
from leads.models import Lead
from tenants import keys, lifecycle, onboarding
from tenants.models import service_keys
from tenants.serializers import (
    ContactSerializer,
    OnboardLeadSerializer,
    OnboardSerializer,
    TenantConfigSerializer,
    TenantSerializer,
)

WITH_PARTS = Selection(include={name: Selection() for name in ("contacts", "resources", "lead", "address")})
TenantWithParts = including(TenantSerializer, *WITH_PARTS.include)


class OnboardLeadView(IdempotentMixin, ApiView):
    serializer_class = TenantSerializer
    permission_codes: ClassVar = {"post": (codes.CREATE_TENANT,)}
    throttles: ClassVar = {"post": PublicLimit}

    @extend_schema(
        operation_id="onboardLead",
        tags=["Leads"],
        summary="Create the lead's tenant",
        request=OnboardLeadSerializer,
        responses={200: TenantWithParts},
    )
    def post(self, request, id):
        """Takes the lead's own JWT. The lead must be validated and have no tenant yet."""
        if request.user.actor_id != id:
            raise AuthenticationFailed("The token is not this lead's.")
        tenant = onboarding.onboard_lead(lead_id=id, actor=id, **self.valid(OnboardLeadSerializer))
        return Response(TenantSerializer(tenant, context={"selection": WITH_PARTS}).data)


class KeySerializer(Serializer):
    key = serializers.CharField()
    available = serializers.BooleanField()
    suggestions = serializers.ListField(child=serializers.CharField(), help_text="Free keys like it, when it is taken.")


class KeyView(ApiView):
    permission_codes: ClassVar = {"get": (codes.CREATE_TENANT,)}
    throttles: ClassVar = {"get": KeyCheckLimit}

    @extend_schema(
        operation_id="checkTenantKey",
        tags=["Tenants"],
        summary="Whether a key is free",
        responses={200: KeySerializer},
    )
    def get(self, request, key):
        """For a form that checks while one types. It reserves nothing: the tenant's creation decides."""
        available, suggestions = keys.look_up(key)
        return Response({"key": key, "available": available, "suggestions": suggestions})


class ProposalSerializer(Serializer):
    keys = serializers.ListField(child=serializers.CharField(), help_text="Free keys, the best first.")
    domains = serializers.ListField(child=serializers.CharField(), help_text="None for a public mail provider's.")


class ProposalView(ApiView):
    permission_codes: ClassVar = {"get": (codes.CREATE_TENANT,)}

    @extend_schema(
        operation_id="proposeTenant",
        tags=["Leads"],
        summary="What the lead's tenant could be called",
        responses={200: ProposalSerializer},
    )
    def get(self, request, id):
        """Keys from the company's name that are free now, and the domain of the mail address, to fill a form with."""
        lead = Lead.objects.visible_to(request.user).filter(id=id).first()
        if lead is None:
            raise Http404
        return Response({"keys": keys.propose(lead), "domains": onboarding.proposed_domains(lead)})


@model_schema("Tenant", "Tenants")
class TenantViewSet(IdempotentMixin, ApiViewSet):
    serializer_class = TenantSerializer
    search_fields = ("name", "key")
    lead_actions = frozenset({"list", "count", "retrieve"})
    permission_codes: ClassVar = {
        **crud_codes(
            create=codes.CREATE_TENANT, update=codes.UPDATE_TENANT, delete=codes.DELETE_TENANT, view=codes.VIEW_TENANT
        ),
        "suspend": (codes.UPDATE_TENANT,),
        "resume": (codes.UPDATE_TENANT,),
    }

    @extend_schema(
        operation_id="createTenant",
        summary="Create a tenant with its first contact",
        request=OnboardSerializer,
        responses={200: TenantWithParts},
    )
    def create(self, request):
        """For staff and services; a lead creates its tenant at /leads/{id}/tenants."""
        if request.user.lead_id is not None:
            raise PermissionDenied("A lead creates its tenant at /leads/{id}/tenants.")
        tenant = onboarding.onboard(**self.valid(OnboardSerializer), actor=request.user.actor_id)
        return Response(self.shown(tenant, WITH_PARTS))

    @extend_schema(operation_id="suspendTenant", summary="Suspend", request=None, responses={204: None})
    def suspend(self, request, id):
        """ACTIVE → INACTIVE."""
        lifecycle.suspend(tenant_id=self.found(id=id).id, actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="resumeTenant", summary="Resume", request=None, responses={204: None})
    def resume(self, request, id):
        """INACTIVE → ACTIVE."""
        lifecycle.resume(tenant_id=self.found(id=id).id, actor=request.user.actor_id)
        return Response(status=status.HTTP_204_NO_CONTENT)


@model_schema("Contact", "Contacts")
class ContactViewSet(IdempotentMixin, ApiViewSet):
    serializer_class = ContactSerializer
    search_fields = ("first_name", "last_name", "email")
    permission_codes: ClassVar = crud_codes(
        create=codes.CREATE_CONTACT, update=codes.UPDATE_CONTACT, delete=codes.DELETE_CONTACT, view=codes.VIEW_CONTACT
    )


@model_schema("TenantConfig", "Tenant configurations")
class TenantConfigViewSet(IdempotentMixin, ApiViewSet):
    serializer_class = TenantConfigSerializer
    search_fields = ("config_key",)
    permission_codes: ClassVar = {
        **crud_codes(
            create=codes.CREATE_CONFIG, update=codes.UPDATE_CONFIG, delete=codes.DELETE_CONFIG, view=codes.VIEW_CONFIG
        ),
        "tenant": (codes.VIEW_CONFIG,),
    }
    error_statuses: ClassVar = {"tenant": (400,)}

    def get_queryset(self):
        """A lead may read what the service goes by, and not write it: see `service_keys`."""
        found = super().get_queryset()
        if self.request.user.lead_id is not None and self.action not in ("list", "count", "retrieve", "tenant"):
            return found.exclude(config_key__in=service_keys())
        return found

    @extend_schema(
        operation_id="getTenantOfTenantConfig",
        summary="The tenant of a configuration",
        parameters=[filter_parameter(TenantSerializer)],
        responses={200: with_relations(TenantSerializer)},
    )
    def tenant(self, request, id):
        """The tenant that the configuration belongs to."""
        wanted = read_filter(request.query_params, TenantSerializer)
        must_be_of_one(wanted)
        tenants = TenantSerializer.Meta.model.objects.visible_to(request.user).filter(configs__id=self.found(id=id).id)
        found = tenants.prefetch_related(*prefetches(wanted, TenantSerializer, request.user)).first()
        if found is None:
            raise Http404
        return Response(TenantSerializer(found, context={"selection": wanted.selection}).data)
