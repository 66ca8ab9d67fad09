"""What keeps machines from signing up, and never tells which address is known."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs
from uuid import uuid4

import django_ratelimit.core
import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.signing import TimestampSigner
from django.db import connections
from django.utils import timezone

from identity.models import IdempotentRequest
from leads import challenges
from leads.abuse import form_stamp
from leads.challenges import base
from leads.challenges.turnstile import Turnstile
from leads.models import Lead, LeadKey
from provisioning.models import Event
from tests.conftest import Caller, assert_error
from tests.make import make_lead, make_tenant, sign_up_body
from tests.world import wait_until

pytestmark = pytest.mark.django_db


class TestLimits:
    def test_hold_per_address_whether_it_is_known_or_not(self, anyone, settings):
        settings.SIGN_UPS_PER_EMAIL = 2
        make_lead(email="known@acme.example")

        def statuses(email: str) -> list[int]:
            return [anyone.post("/leads", sign_up_body(email=email)).status_code for _ in range(3)]

        assert statuses("Known@acme.example") == statuses("new@acme.example") == [200, 200, 429]
        answer = anyone.post("/leads", sign_up_body(email="NEW@acme.example"))
        assert_error(answer, 429)
        assert 1 <= int(answer.headers["Retry-After"]) <= 3600

    def test_hold_per_mail_domain_but_not_where_anybody_has_an_address(self, anyone, settings):
        settings.SIGN_UPS_PER_DOMAIN = 2

        def statuses(domain: str) -> list[int]:
            return [anyone.post("/leads", sign_up_body(email=f"a{n}@{domain}")).status_code for n in range(3)]

        assert statuses("acme.example") == [200, 200, 429]
        assert statuses("gmail.com") == [200, 200, 200]

    def test_take_both_forms_of_an_internationalised_domain_for_one(self, anyone, settings):
        settings.SIGN_UPS_PER_DOMAIN, settings.SIGN_UPS_PER_EMAIL = 4, 2

        def status(email: str) -> int:
            return anyone.post("/leads", sign_up_body(email=email)).status_code

        written = "{}@müller.example", "{}@xn--mller-kva.example", "{}@MÜLLER.example"
        assert [status(form.format("ada")) for form in written] == [200, 200, 429]
        assert [status(form.format("bob")) for form in written[:2]] == [200, 200]
        assert status("eve@müller.example") == 429

    def test_a_refused_body_counts_against_nobody(self, anyone, settings):
        settings.SIGN_UPS_PER_EMAIL = 1
        assert anyone.post("/leads", sign_up_body(email="a@acme.example", lastName="")).status_code == 422
        assert anyone.post("/leads", sign_up_body(email="a@acme.example")).status_code == 200


class TestResending:
    def test_mails_a_fresh_link_to_who_has_not_confirmed_yet(self, anyone, relayed):
        id = anyone.post("/leads", sign_up_body()).json()["id"]
        relayed()
        answer = anyone.post(f"/leads/{id}/resend")
        assert (answer.status_code, answer.content) == (204, b"")
        published = relayed()
        assert [message.subject for message in mail.outbox] == ["Confirm your email address for Tenantry"] * 2
        assert [event["type"] for event in published] == ["LEAD_CREATED"]  # the bus does not learn of it
        assert LeadKey.objects.filter(lead_id=id).count() == 2

    def test_takes_who_has_confirmed_back_to_where_it_was(self, anyone, relayed):
        lead = make_lead()
        anyone.post(f"/leads/{lead.id}/resend")
        relayed()
        (message,) = mail.outbox
        assert message.subject == "Continue your sign-up for Tenantry"
        key = message.body.partition("?code=")[2].split()[0]
        assert Caller(key).post(f"/leads/{lead.id}/verify").status_code == 200

    def test_answers_alike_for_a_lead_that_does_not_exist(self, anyone, settings):
        settings.RESEND_COOLDOWN, settings.SIGN_UPS_PER_EMAIL = 60, 3
        answers = []
        for id in (make_lead().id, uuid4()):
            first, second = anyone.post(f"/leads/{id}/resend"), anyone.post(f"/leads/{id}/resend")
            assert_error(second, 429)
            assert 1 <= int(second.headers["Retry-After"]) <= 60
            answers.append((first.status_code, first.content, second.status_code, second.content[:40]))
        assert answers[0] == answers[1]
        assert Event.objects.count() == 1

    def test_waits_as_long_wherever_the_windows_of_limits_begin(self, anyone, settings, monkeypatch):
        settings.RESEND_COOLDOWN = 60
        lead = make_lead()
        assert anyone.post(f"/leads/{lead.id}/resend").status_code == 204
        monkeypatch.setattr(django_ratelimit.core, "time", SimpleNamespace(time=lambda: 59))
        assert_error(anyone.post(f"/leads/{lead.id}/resend"), 429)

    def test_can_be_asked_for_again_when_the_pause_is_over(self, anyone, settings):
        settings.RESEND_COOLDOWN = 1
        lead = make_lead()
        assert anyone.post(f"/leads/{lead.id}/resend").status_code == 204
        wait_until(lambda: anyone.post(f"/leads/{lead.id}/resend").status_code == 204)

    def test_has_a_limit_in_an_hour(self, anyone, settings):
        settings.RESEND_COOLDOWN, settings.SIGN_UPS_PER_EMAIL = 0, 2
        lead = make_lead()
        assert [anyone.post(f"/leads/{lead.id}/resend").status_code for _ in range(3)] == [204, 204, 429]


def test_signing_up_again_without_a_tenant_leads_back_to_the_sign_up(anyone, relayed):
    lead = make_lead(email="ada@acme.example")
    anyone.post("/leads", sign_up_body(email="ada@acme.example"))
    relayed()
    assert f"/signup/verify/{lead.id}?code=" in mail.outbox[0].body
    make_tenant(lead=lead)
    anyone.post("/leads", sign_up_body(email="ada@acme.example"))
    relayed()
    assert "?code=" not in mail.outbox[1].body
    assert {message.subject for message in mail.outbox} == {"You already have an account at Tenantry"}


class TestOurForm:
    def send(self, anyone, **headers: str):
        return anyone.post("/leads", sign_up_body(), **headers)

    @pytest.fixture
    def old_stamp(self, monkeypatch) -> str:
        """One that was handed out ten seconds ago."""
        monkeypatch.setattr("django.core.signing.time.time", lambda: timezone.now().timestamp() - 10)
        stamp = form_stamp()
        monkeypatch.undo()
        return stamp

    def test_is_believed_when_it_was_open_long_enough(self, anyone, old_stamp):
        assert self.send(anyone, **{"X-Form-Stamp": old_stamp}).status_code == 200

    @pytest.mark.parametrize("within", [0, 0.99], ids=["a second begins", "a second ends"])
    def test_is_refused_when_it_is_faster_than_people(self, anyone, monkeypatch, within):
        now = [int(time.time()) + within]
        monkeypatch.setattr("time.time", lambda: now[0])
        stamp = form_stamp()
        now[0] += 0.9
        assert_error(self.send(anyone, **{"X-Form-Stamp": stamp}), 400, code="form_too_fast")
        now[0] += 1.2
        assert self.send(anyone, **{"X-Form-Stamp": stamp}).status_code == 200

    def test_is_refused_when_a_field_was_filled_that_nobody_sees(self, anyone, old_stamp):
        answer = self.send(anyone, **{"X-Form-Stamp": old_stamp, "X-Form-Trap": "filled"})
        assert_error(answer, 400, code="form_refused")
        assert not Lead.objects.exists()

    @pytest.mark.parametrize(
        "stamp", ["", "sign-up:1:x", TimestampSigner(salt="other").sign("sign-up")], ids=["empty", "forged", "another"]
    )
    def test_is_refused_with_a_stamp_that_is_not_ours(self, anyone, stamp):
        assert_error(self.send(anyone, **{"X-Form-Stamp": stamp}), 400, code="form_expired")

    def test_is_refused_after_a_day(self, anyone, monkeypatch):
        stamp = form_stamp()
        later = (timezone.now() + timedelta(days=1, minutes=1)).timestamp()
        monkeypatch.setattr("django.core.signing.time.time", lambda: later)
        assert_error(self.send(anyone, **{"X-Form-Stamp": stamp}), 400, code="form_expired")

    def test_is_not_needed_by_another_frontend(self, anyone):
        assert self.send(anyone).status_code == 200


@contextmanager
def provider():
    """A challenge provider that takes the answer "human"; what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            asked.append({name: values[0] for name, values in form.items()})
            body = json.dumps({"success": form["response"] == ["human"]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Nobody reads its log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/siteverify", asked
    finally:
        server.shutdown()
        server.server_close()


class TestTheChallenge:
    @pytest.fixture
    def asked(self, settings, monkeypatch):
        settings.CHALLENGE_PROVIDER = "turnstile"
        settings.CHALLENGE_SITE_KEY, settings.CHALLENGE_SECRET = "site", "hush"
        challenges._make.cache_clear()
        with provider() as (url, asked):
            monkeypatch.setattr(Turnstile, "verify_url", url)
            yield asked
        challenges._make.cache_clear()

    def test_has_to_be_passed_once_it_is_switched_on(self, anyone, asked):
        assert_error(anyone.post("/leads", sign_up_body()), 400, code="challenge_failed")
        answer = anyone.post("/leads", sign_up_body(), **{"X-Challenge-Response": "machine"})
        assert_error(answer, 400, code="challenge_failed")
        assert anyone.post("/leads", sign_up_body(), **{"X-Challenge-Response": "human"}).status_code == 200
        assert asked[-1] == {"secret": "hush", "response": "human", "remoteip": "127.0.0.1"}
        assert len(asked) == 2
        assert Lead.objects.count() == 1

    def test_is_asked_about_before_a_transaction_is_opened(self, anyone, asked, monkeypatch):
        opened = []
        monkeypatch.setattr("identity.idempotency.once", lambda *_: opened.append(len(asked)))
        anyone.post("/leads", sign_up_body(), **{"X-Challenge-Response": "human", "Idempotency-Key": "1"})
        assert opened == [1]

    def test_that_was_passed_is_not_asked_about_again_when_the_request_is_repeated(self, anyone, asked):
        """A provider takes an answer once."""
        headers = {"X-Challenge-Response": "human", "Idempotency-Key": "1"}
        body = sign_up_body()
        first, second = (anyone.post("/leads", body, **headers) for _ in range(2))
        assert (second.status_code, second.json()) == (200, first.json())
        assert len(asked) == 1
        assert anyone.post("/leads", sign_up_body(email="b@acme.example"), **headers).status_code == 422
        IdempotentRequest.objects.update(created_on=timezone.now() - timedelta(hours=25))
        assert anyone.post("/leads", body, **headers).status_code == 200
        assert len(asked) == 2

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("ends", ["in time", pytest.param("late", marks=pytest.mark.postgresql)])
    def test_whose_answer_the_first_request_has_spent_is_not_failed_by_its_repetition(self, monkeypatch, ends):
        """It is in flight, or answered by the time that the provider has refused its repetition."""
        begun, over, asked = threading.Event(), threading.Event(), []

        class Once:
            def passes(self, response, address):
                asked.append(response)
                if len(asked) == 2 and ends == "in time":
                    over.set()
                    first.result(20)
                return len(asked) == 1

        def during(*_, **__):
            begun.set()
            over.wait(20)

        monkeypatch.setattr(challenges, "active", Once)
        monkeypatch.setattr("leads.verification.lead_created.send", during)
        body, headers = sign_up_body(), {"X-Challenge-Response": "human", "Idempotency-Key": "1"}

        def send():
            try:
                return Caller().post("/leads", body, **headers)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(send)
            begun.wait(20)
            second = Caller().post("/leads", body, **headers)
            over.set()
            assert first.result(20).status_code == 200
        if ends == "in time":
            assert second.json() == first.result().json()
        else:
            assert_error(second, 409, code="request_in_flight")
        assert len(asked) == 2
        other = {**headers, "Idempotency-Key": "2"}
        assert_error(Caller().post("/leads", body, **other), 400, code="challenge_failed")

    @pytest.mark.django_db(transaction=True)
    def test_is_not_asked_about_for_a_repetition_while_it_is_for_the_first_request(self, monkeypatch):
        begun, over, asked = threading.Event(), threading.Event(), []

        class Slow:
            def passes(self, response, address):
                asked.append(response)
                begun.set()
                return over.wait(20)

        monkeypatch.setattr(challenges, "active", Slow)
        body, headers = sign_up_body(), {"X-Challenge-Response": "human", "Idempotency-Key": "1"}
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(lambda: Caller().post("/leads", body, **headers))
            begun.wait(20)
            assert_error(Caller().post("/leads", body, **headers), 409, code="request_in_flight")
            over.set()
            assert Caller().post("/leads", body, **headers | {"Idempotency-Key": "2"}).status_code == 200
            assert first.result(20).status_code == 200
            pool.submit(connections.close_all).result()
        assert Caller().post("/leads", body, **headers).json() == first.result().json()
        assert len(asked) == 2

    def test_that_cannot_be_checked_is_a_503(self, anyone, asked, monkeypatch):
        monkeypatch.setattr(Turnstile, "verify_url", "http://127.0.0.1:1/")
        answer = anyone.post("/leads", sign_up_body(), **{"X-Challenge-Response": "human"})
        assert_error(answer, 503, code="challenge_unavailable")

    def test_is_in_the_form_and_in_its_policy_alone(self, anyone, asked):
        page = anyone.get("/signup")
        assert b'class="cf-turnstile" data-sitekey="site"' in page.content
        assert b'data-challenge="cf-turnstile-response" data-challenge-object="turnstile"' in page.content
        assert "script-src 'self' https://challenges.cloudflare.com" in page.headers["Content-Security-Policy"]
        assert b"hush" not in page.content
        assert "cloudflare" not in anyone.get("/signup/sent").headers["Content-Security-Policy"]

    @pytest.mark.parametrize(
        ("name", "site_key"), [("doorman", "site"), ("no.such.Challenge", "site"), ("hcaptcha", "")]
    )
    def test_that_cannot_be_had_stops_the_start(self, settings, name, site_key):
        settings.CHALLENGE_PROVIDER, settings.CHALLENGE_SITE_KEY, settings.CHALLENGE_SECRET = name, site_key, "hush"
        challenges._make.cache_clear()
        with pytest.raises(ImproperlyConfigured, match="CHALLENGE_"):
            challenges.active()

    def test_seams_are_copied_whole(self):
        for path in challenges.CHALLENGES.values():
            name = path.rpartition(".")[2]
            assert issubclass(getattr(__import__(path.rpartition(".")[0], fromlist=[name]), name), base.Challenge)


class TestPublicMailDomains:
    def test_are_welcome_but_nobody_can_claim_them(self, caller_for):
        lead = make_lead(email="ada@gmail.com")
        path = f"/leads/{lead.id}/tenants"
        answer = caller_for(lead).post(path, {"key": "ada", "domains": ["ada.example", "gmail.com"]})
        assert_error(answer, 400, code="public_mail_domain")
        assert caller_for(lead).post(path, {"key": "ada", "domains": []}).status_code == 200

    def test_cannot_be_claimed_by_a_company_either(self, caller_for):
        lead = make_lead(email="ada@acme.example")
        body = {"key": "ada", "domains": ["acme.example", "mailinator.com"]}
        assert_error(caller_for(lead).post(f"/leads/{lead.id}/tenants", body), 400, code="public_mail_domain")

    def test_are_refused_at_the_sign_up_where_a_work_address_is_required(self, anyone, settings):
        settings.WORK_EMAIL_REQUIRED = True
        settings.PUBLIC_MAIL_DOMAINS = frozenset({"club.example", "xn--mller-kva.example"})
        for email in ("ada@GMail.com", "ada@mailinator.com", "ada@club.example", "ada@Müller.example"):
            error = assert_error(anyone.post("/leads", sign_up_body(email=email)), 422)
            assert (error["details"][0]["path"], error["details"][0]["code"]) == ("/email", "work_email")
        assert anyone.post("/leads", sign_up_body(email="ada@acme.example")).status_code == 200
        assert b"not at a public mail provider" in anyone.get("/signup").content


class TestKeys:
    def test_are_looked_up_while_one_types(self, caller_for, anyone, django_assert_num_queries):
        caller = caller_for(make_lead())
        make_tenant(key="acme")
        make_tenant(key="acmehq")
        make_tenant(key="gone").delete()
        with django_assert_num_queries(1):
            answer = caller.get("/tenants/keys/acme")
        assert answer.json() == {"key": "acme", "available": False, "suggestions": ["acmeapp", "acme2", "acme3"]}
        assert caller.get("/tenants/keys/gone").json() == {"key": "gone", "available": True, "suggestions": []}
        for key in ("Acme", "a-b", "abcdefghijk", "%20", "%00", "é"):
            assert_error(caller.get(f"/tenants/keys/{key}"), 400, code="pattern")
        assert_error(anyone.get("/tenants/keys/acme"), 401)

    def test_suggestions_can_be_taken_however_long_the_key(self, caller_for):
        make_tenant(key="abcdefghij")
        found = caller_for(make_lead()).get("/tenants/keys/abcdefghij").json()["suggestions"]
        assert found == ["abcdefghhq", "abcdefgapp", "abcdefghi2"]

    def test_are_limited_per_client(self, caller_for, settings):
        settings.KEY_CHECK_MAX_ATTEMPTS = 2
        caller = caller_for(make_lead())
        assert [caller.get(f"/tenants/keys/a{n}").status_code for n in range(3)] == [200, 200, 429]

    def test_that_are_looked_up_by_head_count_as_much(self, caller_for, settings):
        settings.KEY_CHECK_MAX_ATTEMPTS = 2
        caller = caller_for(make_lead())
        answers = [caller.request(method, "/tenants/keys/acme") for method in ("HEAD", "GET", "HEAD")]
        assert [answer.status_code for answer in answers] == [200, 200, 429]

    @pytest.mark.parametrize(
        ("company", "email", "keys", "domains"),
        [
            ("Acme Ltd", "a@acme.example", ["acme", "acmehq", "acmeapp", "acme2"], ["acme.example"]),
            ("Café Müller GmbH", "a@kaffee.example", ["cafemuller", "cafe", "kaffee", "cm"], ["kaffee.example"]),
            ("緑", "a@gmail.com", ["team", "teamhq", "teamapp", "team2"], []),
            ("Ltd", "a@x.example", ["ltd", "ltdhq", "ltdapp", "ltd2"], ["x.example"]),
        ],
    )
    def test_are_proposed_from_the_company_and_its_mail_domain(self, caller_for, company, email, keys, domains):
        lead = make_lead(company_name=company, email=email)
        answer = caller_for(lead).get(f"/leads/{lead.id}/proposal")
        assert answer.json() == {"keys": keys, "domains": domains}
        assert_error(caller_for(make_lead()).get(f"/leads/{lead.id}/proposal"), 404)
