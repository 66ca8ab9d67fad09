"""From the form to a validated lead."""

import re
from datetime import timedelta

import jwt
import pytest
from django.conf import settings as django_settings
from django.core import mail
from django.utils import timezone

from identity.permissions import LEAD_CODES
from leads.models import Address, Lead, LeadKey
from provisioning.models import Delivery, Event
from tests.conftest import Caller, assert_error
from tests.make import make_key, make_lead, make_tenant, sign_up_body

pytestmark = pytest.mark.django_db


def key_of(message) -> str:
    return re.search(r"\?code=(\w+)", message.body)[1]


def test_a_sign_up_answers_an_id_and_mails_a_key_whose_hash_alone_is_kept(anyone, relayed):
    answer = anyone.post("/leads", sign_up_body(email="ada@acme.example"))
    assert answer.status_code == 200
    assert list(answer.json()) == ["id"]
    relayed()
    (message,) = mail.outbox
    key = key_of(message)
    assert message.to == ["ada@acme.example"]
    assert f"{django_settings.APP_VALIDATE_URL}/{answer.json()['id']}?code={key}" in message.body
    assert len(key) == django_settings.LEAD_KEY_LENGTH
    assert key in message.alternatives[0][0]
    stored = LeadKey.objects.get()
    assert stored.key_hash == LeadKey.hash(key, "ada@acme.example")
    assert stored.lead_id.hex == answer.json()["id"].replace("-", "")
    assert key not in str(list(Event.objects.values())) + str(list(Delivery.objects.values()))


def test_the_mail_goes_to_the_very_domain_that_the_tenant_names(anyone, caller_for, relayed):
    """What the standards read differently ("ß", which was "ss" in IDNA 2003) are two domains, of two owners."""
    id = anyone.post("/leads", sign_up_body(email="ada@faß.example")).json()["id"]
    relayed()
    assert mail.outbox[0].message()["To"] == "ada@xn--fa-hia.example"
    proposed = caller_for(Lead.objects.get(id=id)).get(f"/leads/{id}/proposal").json()
    assert proposed["domains"] == ["xn--fa-hia.example"]


def test_the_key_of_the_mail_gives_the_leads_token_once(anyone, relayed):
    id = anyone.post("/leads", sign_up_body()).json()["id"]
    relayed()
    key = key_of(mail.outbox[0])
    answer = Caller(key).post(f"/leads/{id}/verify")
    assert answer.status_code == 200
    assert answer.json()["id"] == id
    claims = jwt.decode(
        answer.json()["token"], django_settings.JWT_SECRET, algorithms=["HS256"], issuer=django_settings.JWT_ISSUER
    )
    assert claims["id"] == claims["userTenantId"] == id
    assert set(claims["permissions"]) == set(LEAD_CODES)
    left = claims["exp"] - timezone.now().timestamp()
    assert left == pytest.approx(django_settings.LEAD_TOKEN_EXPIRY.total_seconds(), abs=5)
    assert Lead.objects.get(id=id).is_validated
    assert_error(Caller(key).post(f"/leads/{id}/verify"), 401)


def test_a_key_opens_neither_another_lead_nor_anything_after_its_time(settings):
    lead, other = make_lead(is_validated=False), make_lead(is_validated=False)
    key = make_key(lead)
    answer = Caller(key).post(f"/leads/{other.id}/verify")
    assert_error(answer, 401)
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    LeadKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert_error(Caller(key).post(f"/leads/{lead.id}/verify"), 401)
    assert_error(Caller().post(f"/leads/{lead.id}/verify"), 401)
    assert not Lead.objects.filter(is_validated=True).exists()


def test_the_scheme_word_may_have_any_letter_case():
    lead = make_lead(is_validated=False)
    answer = Caller().post(f"/leads/{lead.id}/verify", Authorization=f"bEARER {make_key(lead)}")
    assert answer.status_code == 200


def test_an_address_is_stored_when_it_has_a_country(anyone):
    anyone.post("/leads", sign_up_body(address={"city": "London", "country": "GB"}))
    anyone.post("/leads", sign_up_body(address={"city": "Paris"}))
    anyone.post("/leads", sign_up_body(address=None))
    assert [str(address) for address in Address.objects.all()] == ["London, GB"]
    assert Lead.objects.filter(address__isnull=True).count() == 2


def test_a_validated_address_signs_up_again_without_anybody_learning_of_it(anyone, relayed):
    known = make_lead(email="ada@acme.example")
    make_tenant(lead=known)
    answer = anyone.post("/leads", sign_up_body(email="ADA@acme.example"))
    assert answer.status_code == 200
    assert list(answer.json()) == ["id"]
    assert answer.json()["id"] != str(known.id)
    assert Lead.objects.count() == 1
    published = relayed()
    assert [message.subject for message in mail.outbox] == ["You already have an account at Tenantry"]
    assert published == []


def test_a_validated_lead_without_a_tenant_gets_a_fresh_link_to_go_on_with(anyone, relayed):
    """The answer with its token may have been lost, and the key is spent."""
    known = make_lead(email="ada@acme.example")
    anyone.post("/leads", sign_up_body(email="Ada@acme.example"))
    relayed()
    id, key = re.search(r"/([0-9a-f-]{36})\?code=(\w+)", mail.outbox[0].body).groups()
    assert id == str(known.id)
    token = Caller(key).post(f"/leads/{id}/verify").json()["token"]
    assert Caller(token).post(f"/leads/{id}/tenants", {"key": "acme", "domains": ["acme.example"]}).status_code == 200


def test_the_conflict_is_visible_when_the_setting_says_so(anyone, settings):
    settings.LEAD_CONFLICT_VISIBLE = True
    make_lead(email="ada@acme.example")
    assert_error(anyone.post("/leads", sign_up_body(email="ada@Acme.example")), 409, code="email_taken")


def test_a_trusted_facade_gets_the_key_when_the_setting_says_so(anyone, settings):
    settings.LEAD_KEY_IN_RESPONSE = True
    answer = anyone.post("/leads", sign_up_body()).json()
    assert Caller(answer["key"]).post(f"/leads/{answer['id']}/verify").status_code == 200
    lead = Lead.objects.get()
    known = anyone.post("/leads", sign_up_body(email=lead.email)).json()
    assert len(known["key"]) == len(answer["key"])


def test_the_second_lead_to_prove_one_address_is_refused_and_keeps_its_key():
    first, second = (make_lead(email="ada@acme.example", is_validated=False) for _ in range(2))
    key = make_key(second)
    assert Caller(make_key(first)).post(f"/leads/{first.id}/verify").status_code == 200
    assert_error(Caller(key).post(f"/leads/{second.id}/verify"), 409, code="email_taken")
    assert LeadKey.objects.get(lead=second).used_at is None


@pytest.mark.parametrize("method", ["patch", "put", "delete"])
@pytest.mark.parametrize("path", ["/leads", "/leads/7c1f3b52-9a41-4f3e-8a55-0d8f1f6f2a10"])
def test_leads_cannot_be_changed_through_the_api(anyone, method, path):
    answer = getattr(anyone, method)(path)
    assert_error(answer, 405)
    assert "GET" in answer.headers["Allow"]


def test_sign_ups_are_limited_per_client(anyone, settings):
    settings.PUBLIC_API_MAX_ATTEMPTS = 3
    assert [anyone.post("/leads", sign_up_body()).status_code for _ in range(3)] == [200, 200, 200]
    answer = anyone.post("/leads", sign_up_body())
    assert_error(answer, 429)
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_the_forwarded_address_counts_only_behind_trusted_proxies(anyone, settings):
    settings.PUBLIC_API_MAX_ATTEMPTS = 1

    def status(forwarded: str) -> int:
        return anyone.post("/leads", sign_up_body(), **{"X-Forwarded-For": forwarded}).status_code

    assert [status("203.0.113.1"), status("203.0.113.2")] == [200, 429]
    settings.TRUSTED_PROXIES = 1
    assert [status("198.51.100.9, 203.0.113.3"), status("203.0.113.4"), status("198.51.100.7, 203.0.113.4")] == [
        200,
        200,
        429,
    ]


def test_ipv4_clients_that_come_over_ipv6_are_limited_each_for_itself(anyone, settings):
    settings.TRUSTED_PROXIES, settings.PUBLIC_API_MAX_ATTEMPTS = 1, 1

    def status(forwarded: str) -> int:
        return anyone.post("/leads", sign_up_body(), **{"X-Forwarded-For": forwarded}).status_code

    assert [status(f"::ffff:203.0.113.{n}") for n in (1, 2, 1)] == [200, 200, 429]
    assert status("203.0.113.1") == 429
    assert [status(f"2001:db8::{n}") for n in (1, 2)] == [200, 429]
