"""What holds of Keycloak, Auth0 and Cognito alike, behind a proxy that can fail at any request."""

import itertools
import logging
import re
from urllib.parse import unquote_plus

import pytest
from django.core.management import call_command

from provisioning.models import Delivery, Event, IdentitySetup, IdentityStep
from tenants.models import Tenant
from tests.conftest import assert_error, at_once, call_users, deliver_all
from tests.identity_worlds import WORLDS, done, forget_providers, server, world

live_or_fake = pytest.mark.parametrize("world", WORLDS, indirect=True)


@pytest.mark.django_db
@live_or_fake
def test_one_call_sets_up_one_of_each_and_the_second_does_not_touch_the_provider(world):
    run = world.run()
    auth_id = done(world, run)
    assert set(world.inventory(run.tenant).values()) == {1}
    assert IdentitySetup.objects.get().auth_id == auth_id
    world.proxy.well()
    assert done(world, run) == auth_id
    assert world.proxy.calls == []
    assert Event.objects.filter(type="TENANT_IDENTITY_READY").count() == 1


FAILURES = [
    *((kind, "after") for kind in WORLDS),
    ("auth0 pooled", "drop"),  # how a request failed is the base class's business, so one kind does for the rest
    ("keycloak", "before"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("world", "how"), FAILURES, indirect=["world"])
def test_a_failure_at_any_request_is_a_503_after_which_the_same_call_ends_with_one_of_each(world, how):
    for at in itertools.count(1):
        run = world.run()
        IdentitySetup.objects.all().delete()
        world.reset()
        forget_providers()
        world.proxy.fail(at, how)
        answer = call_users(run, provider=world.provider)
        if not world.proxy.failed:
            assert answer.status_code == 200
            break
        error = assert_error(answer, 503)
        assert int(answer.headers["Retry-After"]) > 0
        failed = IdentityStep.objects.get(outcome="failed")
        assert failed.reason == error["message"] == IdentitySetup.objects.get().last_error
        auth_id = done(world, run)
        assert done(world, run) == auth_id
        assert set((found := world.inventory(run.tenant)).values()) == {1}, (at, found)
        assert not IdentityStep.objects.filter(outcome="failed").exists()
        assert IdentitySetup.objects.get().last_error == ""
    assert at > 5


@pytest.mark.django_db(transaction=True)
@live_or_fake
def test_many_calls_for_one_tenant_at_once_set_up_one_of_each(world):
    run = world.run()
    answers = at_once(6, lambda _: call_users(run, provider=world.provider))
    assert {answer.status_code for answer in answers} <= {200, 503}
    auth_id = done(world, run)
    assert {a.json()["authId"] for a in answers if a.status_code == 200} <= {auth_id}
    assert set(world.inventory(run.tenant).values()) == {1}
    assert Event.objects.filter(type="TENANT_IDENTITY_READY").count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("world", ["keycloak pooled", "auth0 pooled", "cognito pooled"], indirect=True)
def test_tenants_of_one_tier_at_once_share_one_home(world):
    runs = [world.run(email=f"ada@acme{number}.example") for number in range(5)]
    answers = at_once(5, lambda n: call_users(runs[n], provider=world.provider))
    assert {answer.status_code for answer in answers} <= {200, 503}
    for run in runs:
        done(world, run)
        assert set(world.inventory(run.tenant).values()) == {1}


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["keycloak", "auth0", "cognito"], indirect=True)
class TestErrors:
    def test_a_provider_that_hangs_is_a_503(self, world, settings):
        settings.IDENTITY_TIMEOUT = 1
        run = world.run()
        for at in (1, 3):
            world.proxy.fail(at, "hang")
            assert_error(call_users(run, provider=world.provider), 503)
        world.proxy.well()
        done(world, run)

    def test_a_provider_that_is_away_is_a_503_and_the_timeline_says_where(self, world, staff):
        run = world.run()
        world.configure("http://127.0.0.1:1")
        assert_error(call_users(run, provider=world.provider), 503)
        entries = staff.get(f"/tenants/{run.tenant_id}/timeline").json()
        failed = next(entry for entry in entries if entry["kind"] == "identity" and entry["outcome"] == "failed")
        assert failed["name"].startswith(f"{world.provider}: ")
        assert "cannot be reached" in failed["reason"]

    def test_a_missing_setting_is_named(self, world, settings):
        name = {"keycloak": "KEYCLOAK_HOST", "auth0": "AUTH0_CLIENT_ID", "cognito": "DOMAIN_NAME"}[world.provider]
        setattr(settings, name, "")
        forget_providers()
        run = world.run()
        assert name in assert_error(call_users(run, provider=world.provider), 400)["message"]
        assert not run.tenant.configs.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["keycloak", "auth0"], indirect=True)  # moto takes any credentials
def test_refused_credentials_are_a_502_and_a_log_line_that_names_the_settings(world, settings, caplog):
    settings.KEYCLOAK_ADMIN_PASSWORD = settings.AUTH0_CLIENT_SECRET = "not-the-secret"
    run = world.run()
    assert_error(call_users(run, provider=world.provider), 502, code="refused")
    (record,) = [record for record in caplog.records if record.name == "tenantry.identity"]
    assert "KEYCLOAK_ADMIN_PASSWORD" in record.message or "AUTH0_CLIENT_SECRET" in record.message
    assert "not-the-secret" not in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["keycloak organizations", "auth0", "cognito"], indirect=True)
def test_no_secret_is_in_a_log_an_answer_the_timeline_the_admin_or_the_export(world, staff, admin_client, caplog):
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "botocore", "httpx", "httpcore"):  # as config.settings sets them
        caplog.set_level(logging.WARNING, logger=name)
    run = world.run()
    secrets: set[str] = set()
    for at in range(1, 30):
        world.proxy.fail(at, "after")
        answer = call_users(run, provider=world.provider)
        secrets |= {value for body in world.proxy.bodies for value in found_secrets(body.decode())}
        shown = answer.content.decode()
        assert not [secret for secret in secrets if secret in shown]
        if answer.status_code == 200:
            break
    setup = IdentitySetup.objects.get()
    if world.provider == "keycloak":
        assert len(secrets) >= 4  # the admin's, the mail server's, the client's, and passwords
    secrets |= {value for name, value in setup.memory_values.items() if "secret" in name}
    pages = [
        staff.get(f"/tenants/{run.tenant_id}/timeline").content,
        staff.get(f"/tenants/{run.tenant_id}").content,
        staff.get("/tenant-configs").content,
        admin_client.get(f"/admin/provisioning/identitysetup/{setup.id}/change/").content,
        admin_client.get("/admin/provisioning/identitysetup/").content,
        caplog.text.encode(),
        str(
            list(Event.objects.values()) + list(Delivery.objects.values()) + list(IdentityStep.objects.values())
        ).encode(),
    ]
    with_raw = str(list(IdentitySetup.objects.extra(select={"raw": "memory::text"}).values("raw")))
    assert "gAAAA" in with_raw or setup.memory == "{}"
    for secret in secrets:
        for page in [*pages, with_raw.encode()]:
            assert secret.encode() not in page


def found_secrets(body: str) -> set[str]:
    """The passwords and client secrets in what we sent."""
    text = unquote_plus(body)
    return set(re.findall(r'"(?:secret|password|value|client_secret)": ?"([^"]+)"', text)) | set(
        re.findall(r"(?:^|&)password=([^&]+)", text)
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    "world", ["keycloak", "keycloak pooled", "keycloak organizations", "auth0", "cognito pooled"], indirect=True
)
def test_what_a_deleted_tenant_left_is_not_given_to_the_next_of_its_key(world):
    run = world.run()
    done(world, run)
    Tenant.objects.filter(id=run.tenant_id).soft_delete(actor=None)
    again = world.run(key=run.tenant.key)
    assert_error(call_users(again, provider=world.provider), 409, code="provider_name_taken")


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["keycloak", "keycloak organizations", "auth0", "cognito pooled"], indirect=True)
def test_check_identity_prints_what_would_be_done_and_does_nothing(world, capsys):
    run = world.run()
    call_command("check_identity", world.provider, "--tenant", str(run.tenant_id))
    out = capsys.readouterr().out
    assert "credentials are accepted" in out
    assert out.count("would be done") >= 3
    assert not IdentitySetup.objects.exists()
    assert not [call for call in world.proxy.calls if call.startswith(("PUT", "DELETE"))]
    auth_id = done(world, run)
    call_command("check_identity", world.provider, "--tenant", str(run.tenant_id))
    out = capsys.readouterr().out
    assert out.count("is there") >= 3
    assert done(world, run) == auth_id
    deliver_all()
