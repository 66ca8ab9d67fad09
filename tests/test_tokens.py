"""Tokens that are none, and tokens that somebody else has minted with the secret."""

import base64
import time
from datetime import timedelta

import jwt
import pytest
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from identity.tokens import RefreshToken, mint, pair_for
from provisioning import relay
from tests.conftest import STAFF_ID, Caller, assert_error
from tests.make import (
    SUBSCRIPTION,
    make_lead,
    make_tenant,
    make_user,
)
from tests.test_hostile import CONTACT

pytestmark = pytest.mark.django_db


def encoded(secret="a-secret-of-the-tests-that-is-long-enough", **claims) -> str:
    usual = {"id": STAFF_ID, "userTenantId": "x", "permissions": ["10207"], "iss": "tests", "exp": time.time() + 60}
    return jwt.encode({name: value for name, value in {**usual, **claims}.items() if value is not None}, secret)


@pytest.mark.parametrize(
    "token",
    [
        lambda: "x",
        lambda: "a.b.c",
        lambda: "é",
        lambda: base64.urlsafe_b64encode(b"[" * 6000).decode().rstrip("=") + ".e30.x",
        lambda: encoded(exp=1),
        lambda: encoded(exp=None),
        lambda: encoded(exp="soon"),
        lambda: encoded(exp=str(int(time.time()) + 60)),
        lambda: encoded(iss="others"),
        lambda: encoded(iss=None),
        lambda: encoded(secret="another-secret-that-is-long-enough-too"),
        lambda: jwt.encode({"id": STAFF_ID, "iss": "tests", "exp": time.time() + 60}, None, algorithm="none"),
        lambda: encoded(permissions="10207"),
        lambda: encoded(permissions=[["10207"]]),
        lambda: encoded(permissions={"a": 1}),
        lambda: encoded(leadId="x"),
        lambda: encoded(leadId=7),
        lambda: encoded(id=None),
        lambda: encoded(id=[]),
        lambda: encoded(token_type="refresh"),
        lambda: str(RefreshToken.for_user(make_user())),
    ],
)
def test_a_token_that_is_none_is_unauthorized(token):
    answer = Caller(token()).get("/tenants")
    assert_error(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "claims",
    [
        {"id": "auth0|7"}, {"id": []}, {"jti": "x" * 400}, {"jti": "\0"}, {"jti": 7}, {"exp": 10**15},
        {"exp": "9999999999"}, {"exp": True}, {"token_type": "access"},
    ],
    ids=str,
)  # fmt: skip
def test_a_refresh_token_that_is_none_of_ours_is_unauthorized(anyone, claims):
    token = encoded(**{"jti": "abc", "token_type": "refresh", **claims})
    assert_error(anyone.post("/auth/token/refresh", {"refresh": token}), 401)
    assert anyone.post("/auth/token/revoke", {"refresh": token}).status_code in (204, 401)


def test_a_token_whose_bearer_cannot_be_written_has_idempotency_keys_too():
    path, foreign = f"/tenants/{make_tenant().id}/provision", Caller(encoded(id="\ud800", permissions=["10216"]))
    assert [foreign.post(path, SUBSCRIPTION, **{"Idempotency-Key": "k"}).status_code for _ in range(2)] == [204, 204]


def test_a_token_minted_elsewhere_is_accepted_also_with_an_id_that_is_no_uuid():
    assert Caller(encoded()).get("/tenants").status_code == 200
    foreign = Caller(encoded(id="auth0|7", permissions=["10208"]))
    answer = foreign.post("/contacts", {**CONTACT, "tenantId": str(make_tenant().id)})
    assert answer.status_code == 200
    assert answer.json()["createdBy"] is None


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_of_a_clock_that_is_a_little_ahead_is_accepted(claim):
    assert Caller(encoded(**{claim: int(time.time()) + 10})).get("/tenants").status_code == 200
    assert_error(Caller(encoded(**{claim: int(time.time()) + 60})).get("/tenants"), 401)


def test_no_token_outlives_its_exp(anyone):
    ended = int(time.time()) - 2
    assert_error(Caller(encoded(exp=ended)).get("/tenants"), 401)
    refresh = RefreshToken.for_user(make_user())
    refresh["exp"] = ended
    for address in ("refresh", "revoke"):
        assert_error(anyone.post(f"/auth/token/{address}", {"refresh": str(refresh)}), 401)


def test_refresh_tokens_that_are_expired_are_forgotten(anyone):
    user = make_user(is_staff=True)
    expired = [RefreshToken.for_user(user) for _ in range(3)]
    expired[0].blacklist()
    OutstandingToken.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    held = pair_for(user, second_factor=False)["refresh"]
    relay.maintain()
    assert OutstandingToken.objects.count() == 1
    assert anyone.post("/auth/token/refresh", {"refresh": held}).status_code == 200


def test_a_token_in_the_url_is_refused(anyone):
    assert_error(anyone.get("/tenants", access_token=encoded()), 401)


def test_a_leads_token_minted_elsewhere_is_confined_too():
    own, other = make_lead(), make_lead()
    ours = jwt.decode(mint_like(own), options={"verify_signature": False})
    assert "leadId" not in ours
    caller = Caller(mint_like(own))
    assert [lead["id"] for lead in caller.get("/leads").json()] == [str(own.id)]
    assert_error(caller.get(f"/leads/{other.id}"), 404)


def mint_like(lead) -> str:
    from identity.permissions import LEAD_CODES

    return mint(subject=lead.id, permissions=LEAD_CODES, lifetime=timedelta(minutes=1))
