"""How staff log in: the second factor, what throttles guessing, passwords, and when a session ends."""

from datetime import timedelta
from threading import Thread

import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from identity.models import User
from tests.conftest import Caller, assert_error, at_once
from tests.make import make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse"
LOGIN = "/admin/login/"


@pytest.fixture
def user():
    return make_user(username="ada", is_staff=True, is_superuser=True)


def device_of(user) -> TOTPDevice:
    return TOTPDevice.objects.create(user=user, name="app", confirmed=True)


def code_of(device: TOTPDevice) -> str:
    return f"{TOTP(device.bin_key).token():06d}"


def log_in(client, **values):
    return client.post(LOGIN, {"username": "ada", "password": PASSWORD, **values})


class TestTheSecondFactor:
    def test_is_enrolled_by_a_code_and_asked_for_from_then_on(self, client, user):
        assert log_in(client).status_code == 302
        page = client.get(reverse("two-factor"))
        device = TOTPDevice.objects.get()
        assert not device.confirmed
        assert "no-store" in page.headers["Cache-Control"]
        assert client.post(reverse("two-factor"), {"code": "000000"}).context["form"].errors
        TOTPDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
        assert b"recovery codes" in client.post(reverse("two-factor"), {"code": code_of(device)}).content
        client.logout()
        assert "missing or wrong" in str(log_in(client).context["form"].errors)
        TOTPDevice.objects.update(last_t=-1)
        assert log_in(client, code=code_of(device)).status_code == 302
        assert client.get("/admin/").status_code == 200

    def test_is_not_got_round_by_a_token_from_before_it_or_from_before_the_password(self, user, settings):
        def pair(address: str, **body):
            return Caller().post(f"/auth/{address}", body).json()

        def refreshed(held) -> int:
            return Caller().post("/auth/token/refresh", {"refresh": held["refresh"]}).status_code

        before, also_before = (pair("token", username="ada", password=PASSWORD) for _ in range(2))
        settings.STAFF_TWO_FACTOR = "required"
        assert refreshed(before) == 401
        settings.STAFF_TWO_FACTOR = "optional"
        device = device_of(user)
        assert refreshed(also_before) == 401
        held = pair("token", username="ada", password=PASSWORD, otp=code_of(device))
        held = pair("token/refresh", refresh=held["refresh"])
        settings.STAFF_TWO_FACTOR = "required"
        held = pair("token/refresh", refresh=held["refresh"])
        user.set_password("another horse")
        user.save()
        assert refreshed(held) == 401

    def test_is_not_got_round_by_a_session_from_before_it(self, user):
        mine, stolen = Client(), Client()
        mine.force_login(user), stolen.force_login(user)
        mine.get(reverse("two-factor"))
        mine.post(reverse("two-factor"), {"code": code_of(TOTPDevice.objects.get())})
        assert mine.get("/admin/").status_code == 200
        for address in ("/admin/", "/admin/password_change/", "/admin/tenants/tenant/"):
            stolen.force_login(user)
            assert stolen.get(address, follow=True).redirect_chain == [(reverse("two-factor"), 302), (LOGIN, 302)]
        assert "_auth_user_id" not in stolen.session

    def test_is_one_however_many_pages_that_enrol_it_are_opened_at_once(self, transactional_db, user):
        browsers = [Client() for _ in range(8)]
        for browser in browsers:
            browser.force_login(user)
            browser.get(reverse("two-factor"))  # what the first page has to load would keep the threads apart
        for _ in range(3):
            TOTPDevice.objects.all().delete()
            pages = at_once(8, lambda number: browsers[number].get(reverse("two-factor")))
            assert [page.status_code for page in pages] == [200] * 8
            device = TOTPDevice.objects.get()
        assert b"recovery codes" in browsers[0].post(reverse("two-factor"), {"code": code_of(device)}).content

    def test_works_once(self, client, user):
        device = device_of(user)
        code = code_of(device)
        assert log_in(client, code=code).status_code == 302
        client.logout()
        assert log_in(client, code=code).status_code == 200

    def test_can_be_required_and_then_leads_to_the_page_that_enrols(self, client, user, settings):
        settings.STAFF_TWO_FACTOR = "required"
        log_in(client)
        for address in ("/admin/", "/admin/tenants/tenant/", "/admin/tenants/tenant/new-tenant/"):
            assert client.get(address).headers["Location"] == reverse("two-factor")
        for name in ("two-factor", "backoffice-css"):
            assert client.get(reverse(name)).status_code == 200
        device = TOTPDevice.objects.get()
        client.post(reverse("two-factor"), {"code": code_of(device)})
        assert client.get("/admin/").status_code == 200

    def test_is_not_enrolled_over_one_that_is_there(self, client, user, settings):
        settings.STAFF_TWO_FACTOR = "required"
        log_in(client)
        device_of(user)
        assert client.get(reverse("two-factor")).headers["Location"] == LOGIN
        assert TOTPDevice.objects.count() == 1

    def test_is_asked_for_by_the_api_as_well(self, user, settings):
        given = {"username": "ada", "password": PASSWORD}
        assert Caller().post("/auth/token", given).status_code == 200
        device = device_of(user)
        assert_error(Caller().post("/auth/token", given), 401, code="code_required")
        assert Caller().post("/auth/token", {**given, "otp": code_of(device)}).status_code == 200
        TOTPDevice.objects.all().delete()
        settings.STAFF_TWO_FACTOR = "required"
        assert_error(Caller().post("/auth/token", given), 401, code="code_required")

    def test_is_forgotten_by_command(self, client, user):
        device_of(user)
        call_command("reset_two_factor", "ada")
        assert log_in(client).status_code == 302

    def test_leaves_no_key_behind_in_a_page_or_the_audit_log(self, client, user):
        device = device_of(user)
        log_in(client, code=code_of(device))
        for address in ("/admin/", reverse("two-factor"), reverse("admin:auditlog_logentry_changelist")):
            assert device.key not in client.get(address).content.decode()


class TestGuessing:
    def test_is_over_after_some_failures_for_this_name_from_this_address(self, client, user, settings):
        settings.AXES_FAILURE_LIMIT = 3
        for _ in range(3):
            answer = log_in(client, password="wrong")
        assert answer.status_code == 429
        assert "Too many logins" in answer.content.decode()
        assert log_in(client).status_code == 429
        make_user(username="eve", is_staff=True)
        assert client.post(LOGIN, {"username": "eve", "password": PASSWORD}).status_code == 302

    def test_is_counted_by_the_client_that_the_trusted_proxy_saw(self, client, user, settings):
        settings.AXES_FAILURE_LIMIT, settings.TRUSTED_PROXIES = 3, 1
        for _ in range(3):
            client.post(
                LOGIN, {"username": "ada", "password": "x"}, headers={"X-Forwarded-For": "9.9.9.9, 203.0.113.7"}
            )
        here, there = ({"X-Forwarded-For": f"9.9.9.9, {address}"} for address in ("203.0.113.7", "203.0.113.8"))
        credentials = {"username": "ada", "password": PASSWORD}
        assert client.post(LOGIN, credentials, headers=here).status_code == 429
        assert client.post(LOGIN, credentials, headers=there).status_code == 302

    def test_is_counted_by_the_network_of_a_client_of_ipv6(self, client, user, settings):
        settings.AXES_FAILURE_LIMIT = 3
        for number in range(3):
            client.post(LOGIN, {"username": "ada", "password": "x"}, REMOTE_ADDR=f"2001:db8:0:1::{number + 1:x}")
        credentials = {"username": "ada", "password": PASSWORD}
        assert client.post(LOGIN, credentials, REMOTE_ADDR="2001:db8:0:1::ffff").status_code == 429
        assert client.post(LOGIN, credentials, REMOTE_ADDR="2001:db8:0:2::1").status_code == 302

    def test_of_the_api_counts_too(self, user, settings):
        settings.AXES_FAILURE_LIMIT, settings.AUTH_MAX_ATTEMPTS = 3, 0
        for _ in range(3):
            Caller().post("/auth/token", {"username": "ada", "password": "wrong"})
        assert_error(Caller().post("/auth/token", {"username": "ada", "password": PASSWORD}), 401)


@pytest.mark.parametrize("whose", ["another's", "one's own"])
def test_a_login_that_is_revoked_while_its_password_is_set_stays_revoked(transactional_db, client, monkeypatch, whose):
    boss, user = (make_user(username=name, is_staff=True, is_superuser=True) for name in ("ada", "eve"))
    client.force_login(boss if whose == "another's" else user)
    hashed = User.set_password
    revoking = Thread(target=at_once, args=(1, lambda _: User.objects.filter(pk=user.pk).update(is_active=False)))

    def slowly(self, password):
        revoking.start()
        revoking.join(1)  # where the row is locked it ends later
        hashed(self, password)

    monkeypatch.setattr(User, "set_password", slowly)
    new = "a very long one 9"
    if whose == "another's":
        page = reverse("admin:auth_user_password_change", args=[user.pk])
        answer = client.post(page, {"password1": new, "password2": new, "usable_password": "true"})
    else:
        given = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
        answer = client.post(reverse("admin:password_change"), given)
    revoking.join()
    assert answer.status_code == 302
    user.refresh_from_db()
    assert user.check_password(new)
    assert not user.is_active


@pytest.mark.parametrize("password", ["elevenchars", "123456789012345", "passwordpassword1"[:8], "ada.lovelace.x"])
def test_a_weak_password_is_refused(password):
    with pytest.raises(ValidationError):
        validate_password(password, User(username="ada.lovelace.x"))


def test_a_session_ends(client, user, settings):
    log_in(client)
    ends = client.session.get_expiry_date()
    assert timedelta(hours=7) < ends - timezone.now() <= timedelta(hours=8)


def test_the_api_asks_neither_session_nor_second_factor(staff, django_assert_num_queries):
    staff.get("/tenants")
    with django_assert_num_queries(1):
        staff.get("/tenants")
