"""Recovery codes: ten, shown once, each good for one login, and kept so that nobody can read them."""

import re

import pytest
from auditlog.models import LogEntry
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django_otp.plugins.otp_totp.models import TOTPDevice

from identity.models import RecoveryCode, RecoveryDevice
from identity.recovery import renew
from tests.conftest import Caller, assert_error, at_once
from tests.make import make_user
from tests.test_staff_login import PASSWORD, code_of, device_of, log_in

pytestmark = pytest.mark.django_db
PAGE = reverse("two-factor")
SHOWN = re.compile(r"<code>([a-z][a-z2-9]{4}-[a-z2-9]{5})</code>")


@pytest.fixture
def user():
    return make_user(username="ada", is_staff=True, is_superuser=True)


def forget_failures() -> None:
    RecoveryDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None, last_t=-1)


def test_ten_are_shown_at_enrolment_and_never_again(client, user):
    log_in(client)
    client.get(PAGE)
    answer = client.post(PAGE, {"code": code_of(TOTPDevice.objects.get())})
    codes = SHOWN.findall(answer.content.decode())
    assert len(set(codes)) == 10
    assert "no-store" in answer.headers["Cache-Control"]
    page = client.get(PAGE).content.decode()
    assert "10 recovery codes are left." in page
    assert not SHOWN.search(page)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM recovery_codes")
        kept = str(cursor.fetchall()) + str(list(LogEntry.objects.values()))
    assert not [code for code in codes if code in kept or code.replace("-", "") in kept]


def test_none_that_is_shown_is_worthless_when_an_enrolment_is_sent_twice_at_once(transactional_db):
    def shown_at_once() -> list[int]:
        user = make_user(is_staff=True, is_superuser=True)
        browsers = [Client(), Client()]
        for browser in browsers:
            browser.force_login(user)
            browser.get(PAGE)
        code = code_of(TOTPDevice.objects.get(user=user))
        pages = at_once(2, lambda number: browsers[number].post(PAGE, {"code": code}).content.decode())
        return sorted(len(SHOWN.findall(page)) for page in pages)

    assert [shown_at_once() for _ in range(5)] == [[0, 10]] * 5


def test_an_app_is_not_enrolled_without_any(client, user, monkeypatch):
    log_in(client)
    client.get(PAGE)
    device = TOTPDevice.objects.get()
    client.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr("identity.recovery.renew", lambda user: 1 / 0)
        assert client.post(PAGE, {"code": code_of(device)}).status_code == 500
    assert not TOTPDevice.objects.get().confirmed
    assert not LogEntry.objects.exists()
    assert len(SHOWN.findall(client.post(PAGE, {"code": code_of(device)}).content.decode())) == 10


def test_each_lets_in_once_however_it_is_typed(client, user):
    device_of(user)
    first, second, *_ = renew(user)
    assert log_in(client, code=first.upper()).status_code == 302
    assert client.get("/admin/").status_code == 200
    client.logout()
    assert "missing or wrong" in str(log_in(client, code=first).context["form"].errors)
    forget_failures()
    assert log_in(client, code=second.replace("-", " ")).status_code == 302
    assert RecoveryCode.objects.count() == 8


def test_each_lets_in_once_into_the_api_as_well(user, settings):
    settings.AUTH_MAX_ATTEMPTS = 0
    device_of(user)
    given = {"username": "ada", "password": PASSWORD, "otp": renew(user)[0]}
    assert Caller().post("/auth/token", given).status_code == 200
    assert_error(Caller().post("/auth/token", given), 401, code="code_required")


def test_a_code_of_the_app_is_no_failure_of_the_recovery_codes_nor_the_other_way_round(client, user):
    device = device_of(user)
    codes = renew(user)
    log_in(client, code="000000")
    assert log_in(client, code=codes[0]).status_code == 302
    client.logout()
    log_in(client, code="aaaaa-aaaaa")
    forgiven = TOTPDevice.objects.filter(pk=device.pk).update(throttling_failure_count=0)
    assert forgiven == 1
    assert RecoveryDevice.objects.get().throttling_failure_count == 1


def test_new_ones_take_a_code_of_the_app_and_end_the_former(client, user):
    device = device_of(user)
    former = renew(user)
    log_in(client, code=code_of(device))
    forget_failures()
    assert client.post(PAGE, {"code": "000000"}).context["form"].errors
    assert RecoveryCode.objects.count() == 10
    forget_failures()
    codes = SHOWN.findall(client.post(PAGE, {"code": code_of(device)}).content.decode())
    assert (len(codes), set(codes) & set(former)) == (10, set())
    assert LogEntry.objects.latest("id").additional_data["operation"] == "renew_recovery_codes"
    client.logout()
    assert log_in(client, code=former[0]).status_code == 200
    forget_failures()
    assert log_in(client, code=codes[0]).status_code == 302


def test_wrong_ones_make_the_next_wait_and_lock_the_login_in_the_end(client, user, settings):
    settings.AXES_FAILURE_LIMIT = 3
    device_of(user)
    right = renew(user)[0]
    log_in(client, code="aaaaa-aaaaa")
    RecoveryDevice.objects.update(throttling_failure_count=10)
    assert log_in(client, code=right).status_code == 200  # right, and too soon
    assert RecoveryCode.objects.count() == 10
    forget_failures()
    log_in(client, code="bbbbb-bbbbb")
    forget_failures()
    assert log_in(client, code=right).status_code == 429


def test_go_with_the_app_by_command(client, user):
    device_of(user)
    renew(user)
    call_command("reset_two_factor", "ada")
    assert not RecoveryDevice.objects.exists()
    assert log_in(client).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_one_that_two_send_at_once_lets_one_in(user):
    device_of(user)
    code = renew(user)[0]
    answers = at_once(4, lambda _: log_in(Client(), code=code).status_code)
    assert sorted(answers) == [200, 200, 200, 302]
