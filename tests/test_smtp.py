"""Mails over SMTP to a server on this machine, by the relay."""

import threading

import pytest
from django.utils import timezone

from config import mail
from provisioning import relay
from provisioning.models import Delivery
from tests.conftest import due_now
from tests.mail_server import LOGIN, PASSWORD, MailServer, mail_server, make_certificate
from tests.make import sign_up_body

pytestmark = pytest.mark.django_db(transaction=True)
State = Delivery.State


@pytest.fixture
def posted(settings, tmp_path, monkeypatch, request):
    """A server for the mails, with TLS and a login where the test is marked so; one hand of the relay."""
    secure = getattr(request, "param", False)
    certificate = make_certificate(tmp_path / "server.pem") if secure else None
    if certificate:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        settings.EMAIL_USE_TLS = True
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = LOGIN.decode(), PASSWORD.decode()
    with mail_server(certificate) as (server, port):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
        settings.RELAY_CONCURRENCY = 1
        yield server


def sign_up(anyone, *names: str) -> None:
    for name in names:
        assert anyone.post("/leads", sign_up_body(email=f"{name}@acme.example")).status_code == 200


def relay_once() -> None:
    relay.run(threading.Event(), once=True)


def received(server: MailServer) -> list[str]:
    return sorted(each["To"].partition("@")[0] for each in server.mails)


def states() -> list[int]:
    rows = Delivery.objects.filter(destination="mail:validate_lead").order_by("id")
    return list(rows.values_list("state", flat=True))


def test_a_mail_arrives_as_text_and_html_with_the_id_of_its_event(posted, anyone):
    assert anyone.post("/leads", sign_up_body(firstName="Zoë", email="zoe@acme.example")).status_code == 200
    relay_once()
    (mail,) = posted.mails
    event = Delivery.objects.get(destination="mail:validate_lead").event
    assert (mail["To"], mail["X-Event-Id"]) == ("zoe@acme.example", str(event.event_id))
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "Hello Zoë," in text
    assert "Hello Zoë," in html


def test_mails_that_follow_one_another_share_a_connection_which_is_closed_after_them(posted, anyone):
    sign_up(anyone, "ada", "grace", "mary")
    relay_once()
    assert received(posted) == ["ada", "grace", "mary"]
    assert (posted.greeted, posted.left) == (1, 1)


def test_a_connection_is_left_after_as_many_mails_as_servers_allow(posted, anyone, monkeypatch):
    monkeypatch.setattr(mail, "LINE_MAILS", 2)
    sign_up(anyone, "ada", "grace", "mary")
    relay_once()
    assert (received(posted), posted.greeted, posted.left) == (["ada", "grace", "mary"], 2, 2)


def test_a_connection_that_rested_for_long_is_not_used_again(posted, anyone, monkeypatch):
    monkeypatch.setattr(mail, "LINE_SECONDS", 0)
    sign_up(anyone, "ada", "grace")
    relay_once()
    assert (received(posted), posted.greeted, posted.left) == (["ada", "grace"], 2, 2)


def test_a_server_that_ends_the_connection_between_two_mails_gets_the_second_later(posted, anyone):
    posted.breaks_off = 1
    sign_up(anyone, "ada", "grace")
    relay_once()
    assert (received(posted), states()) == (["ada"], [State.DELIVERED, State.PENDING])
    due_now()
    relay_once()
    assert (received(posted), states()) == (["ada", "grace"], [State.DELIVERED] * 2)


@pytest.mark.parametrize(("answer", "state"), [("550 No such user", State.DEAD), ("451 Later", State.PENDING)])
def test_a_refused_recipient_holds_up_nobody_else(posted, anyone, answer, state):
    posted.answers["nobody@acme.example"] = answer
    sign_up(anyone, "nobody", "grace")
    relay_once()
    assert (received(posted), states()) == (["grace"], [state, State.DELIVERED])
    assert Delivery.objects.get(state=state).last_error == "The mail server refused the recipient."
    assert Delivery.objects.filter(state=State.PENDING, next_attempt_on__lte=timezone.now()).count() == 0


@pytest.mark.parametrize("posted", [True], indirect=True, ids=["starttls"])
def test_a_server_with_tls_is_spoken_to_by_tls_and_logged_in_to(posted, anyone):
    sign_up(anyone, "ada", "grace")
    relay_once()
    assert (received(posted), posted.secure, posted.greeted) == (["ada", "grace"], [True, True], 1)


@pytest.mark.parametrize("posted", [True], indirect=True, ids=["starttls"])
def test_a_server_whose_certificate_is_not_trusted_gets_no_mail(posted, anyone, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    sign_up(anyone, "ada")
    relay_once()
    assert (posted.mails, states()) == ([], [State.PENDING])
    error = Delivery.objects.get(destination="mail:validate_lead").last_error
    assert error == "The mail could not be sent: SSLCertVerificationError."
