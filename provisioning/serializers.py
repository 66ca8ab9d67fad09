"""The body of a provision request: the reference's Subscription."""

from rest_framework import serializers

from billing.models import Plan, Tier
from config.errors import BadRequest
from config.fields import Moment, RelatedId, Text
from config.serializers import AUDIT_FIELDS, Serializer, camel

SUBSCRIPTION_STATUSES = ("PENDING", "ACTIVE", "INACTIVE", "CANCELLED", "EXPIRED")


class TimelineEntrySerializer(Serializer):
    time = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=["run", "event", "mail", "publication", "identity", "callback", "refused"])
    name = serializers.CharField(help_text="Request, event type, mail, connector, step, path, or reason of a refusal.")
    outcome = serializers.CharField(allow_null=True)
    reason = serializers.CharField(allow_null=True)
    actor = serializers.UUIDField(allow_null=True)
    attempts = serializers.IntegerField(allow_null=True)
    app_plane_url = serializers.CharField(
        allow_null=True, help_text="Where the tenant's people log in; of TENANT_PROVISIONING_SUCCESS."
    )


class PlanField(serializers.JSONField):
    """A plan: any object with a tier, which is kept in upper case."""

    default_error_messages = {
        "not_an_object": "A plan is an object.",
        "tier": "The tier must be one of BASIC, STANDARD and PREMIUM.",
    }

    def to_internal_value(self, data):
        if not isinstance(data, dict):
            self.fail("not_an_object")
        tier = data["tier"].upper() if isinstance(data["tier"], str) else data["tier"]
        if tier not in Tier.values:
            raise serializers.ValidationError({"tier": serializers.ErrorDetail(self.error_messages["tier"], "enum")})
        return {**data, "tier": tier}


class PlanChoiceSerializer(Serializer):
    """A plan of the catalogue, by its id: all that a lead may say, which cannot bring a plan of its own."""

    id = Text(max_length=100, required=False)
    plan_id = RelatedId(source="plan", queryset=Plan.objects.filter(is_active=True))

    def to_internal_value(self, data):
        if isinstance(data, dict) and data.get("plan") is not None:
            detail = serializers.ErrorDetail("Choose a plan by planId; GET /plans lists them.", code="readOnly")
            raise serializers.ValidationError({"plan": detail})
        if isinstance(data, dict) and not data.get("planId"):
            raise BadRequest("A subscription needs the planId of a plan; GET /plans lists them.")
        return super().to_internal_value(data)


class RequestedSubscriptionSerializer(Serializer):
    id = Text(max_length=100)
    subscriber_id = Text(max_length=100, required=False, allow_null=True)
    start_date = Moment(required=False, allow_null=True)
    end_date = Moment(required=False, allow_null=True)
    status = serializers.IntegerField(required=False, min_value=0, max_value=len(SUBSCRIPTION_STATUSES) - 1)
    plan_id = Text(max_length=100, required=False, allow_null=True)
    plan = PlanField()
    invoice_id = Text(max_length=100, required=False, allow_null=True)

    def to_internal_value(self, data):
        """A missing id or tier is a bad request (CONTRACT section 10); audit fields of a stored one are let pass."""
        if isinstance(data, dict):
            plan = data.get("plan")
            if not data.get("id") or plan is None or (isinstance(plan, dict) and not plan.get("tier")):
                raise BadRequest("A subscription needs an id and a plan with a tier.")
            audit = {camel(name) for name in AUDIT_FIELDS}
            data = {name: value for name, value in data.items() if name not in audit}
            status = data.get("status")
            if isinstance(status, str) and status.upper() in SUBSCRIPTION_STATUSES:
                data["status"] = SUBSCRIPTION_STATUSES.index(status.upper())
        return super().to_internal_value(data)
