"""Start-up: every variable is honoured, and what makes no sense is refused by its name."""

import pytest
from django.core.management import call_command
from django.utils import timezone

from config import env
from tests.make import make_subscription
from tests.world import manage

PRODUCTION = {
    "NODE_ENV": "prod", "DJANGO_SECRET_KEY": "correct-horse-battery-staple-" * 2, "JWT_SECRET": "y" * 50,
    "EVENT_CONNECTOR": "log",
    "ENCRYPTION_KEYS": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "EMAIL_URL": "smtp://localhost:25",
    "PUBLIC_URL": "https://tenantry.example", "REDIS_HOST": "127.0.0.1", "DB_HOST": "127.0.0.1",
}  # fmt: skip

BESIDE = {
    "JWT_SECRET_FILE": {"JWT_SECRET": ""},
    "EVENT_HTTP_SECRET": {"EVENT_CONNECTOR": "http", "EVENT_HTTP_URL": "http://127.0.0.1:9"},
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NODE_ENV", "staging"),
        ("LOG_LEVEL", "loud"),
        ("PORT", "http"),
        ("PUBLIC_URL", "tenantry.example"),
        ("LEAD_KEY_LENGTH", "3"),
        ("LEAD_KEY_LENGTH", "many"),
        ("VALIDATION_TOKEN_EXPIRY", "-1"),
        ("WEBHOOK_SECRET_EXPIRY", "1.5"),
        ("LEAD_TOKEN_EXPIRY", "0"),
        ("LEAD_KEY_IN_RESPONSE", "maybe"),
        ("TRUSTED_PROXIES", "all"),
        ("SYSTEM_USER_ID", "system"),
        ("DB_SCHEMA", "a;drop"),
        ("DB_POOLER", "session"),
        ("DB_REPLICA_HOST", "replica.example"),
        ("EMAIL_URL", "pigeon://loft"),
        ("EMAIL_URL", "smtp://mailer:se/cret@mail.example:25"),
        ("EMAIL_URL", "smtp://["),
        ("LEAD_TOKEN_EXPIRY", "999999999999999"),
        ("WEBHOOK_LOG_EXPIRY", "999999999"),
        ("EVENT_CONNECTOR", "kafka"),
        ("EVENT_CONNECTOR", "no.such.Class"),
        ("EVENTS_ON_BUS", "TENANT_EXPLODED"),
        ("EVENT_DELIVERY", "later"),
        ("WEBHOOK_HANDLERS", "7"),
        ("WEBHOOK_HANDLERS", "7=no.such.handler"),
        ("IDENTITY_PROVIDERS", "mine=no.such.Provider"),
        ("IDENTITY_PROVIDER", "okta"),
        ("IDENTITY_SHARED_NAME", "basic"),
        ("IDENTITY_SHARED_NAME", "shared-{plan}"),
        ("IDENTITY_TIMEOUT", "0"),
        ("PASSWORD_LENGTH", "4"),
        ("KEYCLOAK_HOST", "ftp://id.example"),
        ("AUTH0_DOMAIN", "a b"),
        ("KEYCLOAK_DIRECT_GRANTS", "maybe"),
        ("BILLING_TIME_ZONE", "Mars/Olympus"),
        ("BILLING_TAX_RATE", "101"),
        ("BILLING_TAX_RATE", "many"),
        ("SELLER_COLOUR", "red"),
        ("SELLER_LOGO", "/no/such/file.png"),
        ("INVOICE_SERIES", "a b"),
        ("CREDIT_NOTE_SERIES", "INV"),
        ("INVOICE_REMINDER_DAYS", "7,3"),
        ("INVOICE_REMINDER_DAYS", "0,3"),
        ("INVOICE_REMINDER_DAYS", "soon"),
        ("PAYMENT_GATEWAYS", "mine=no.such.Gateway"),
        ("ENCRYPTION_KEYS", "short"),
        ("REDIS_URL", "http://localhost"),
        ("PUBLIC_API_MAX_ATTEMPTS", "-5"),
        ("JWT_SECRET_FILE", "/no/such/file"),
        ("INVOICE_DUE_DAYS", "3000000"),
        ("SUBSCRIPTION_NOTICE_DAYS", "3000000"),
        ("INVOICE_SUSPEND_AFTER", "3000000"),
        ("STAFF_PASSWORD_LENGTH", "100000"),
        ("LEAD_KEY_LENGTH", "100000"),
        ("PASSWORD_LENGTH", "100000"),
        ("DB_PATH", "/proc/no/db.sqlite3"),
        ("VAR_DIR", "/proc/no"),
        ("EVENT_HTTP_SECRET", "whsec_?"),
        ("REDIS_URL", "redis://127.0.0.1:port"),
        ("PUBLIC_URL", "http://127.0.0.1:port"),
        ("PUBLIC_URL", "http://:8000"),
        ("CORS_ALLOWED_ORIGINS", "http://app.example:99999"),
        ("PORT", "70000"),
        ("RELAY_METRICS_PORT", "99999"),
        ("HOST", "localhost"),
        ("WEB_CONCURRENCY", "0"),
        ("TEMPLATE_DIRS", "/no/such/folder"),
        ("ALLOWED_HOSTS", "https://tenantry.example"),
    ],
)
def test_a_value_that_makes_no_sense_stops_the_start_and_is_named(name, value, tmp_path):
    found = manage("check", **{"VAR_DIR": str(tmp_path), **BESIDE.get(name, {}), name: value})
    assert found.returncode != 0
    assert name in found.stderr.splitlines()[-1]
    assert "'se'" not in found.stderr  # of a password


@pytest.mark.parametrize("name", ["DJANGO_SECRET_KEY", "JWT_SECRET", "ENCRYPTION_KEYS", "EVENT_CONNECTOR", "EMAIL_URL"])
def test_in_production_what_is_missing_is_named(name, tmp_path):
    found = manage("check", VAR_DIR=str(tmp_path), **{**PRODUCTION, name: ""})
    assert found.returncode != 0
    assert name in found.stderr.splitlines()[-1]


def test_a_complete_production_environment_passes_the_deployment_check(tmp_path):
    found = manage("check", "--deploy", "--fail-level", "WARNING", VAR_DIR=str(tmp_path), **PRODUCTION)
    assert found.returncode == 0, found.stderr


def test_a_public_url_with_an_ipv6_address_is_answered_under_it(tmp_path):
    asked = "from django.test import Client; print(Client().get('/x', headers={'host': '[::1]:8000'}).status_code)"
    address = {"PUBLIC_URL": "http://[0:0::1]:8000", "DB_HOST": "", "REDIS_HOST": ""}
    found = manage("shell", "-v0", "-c", asked, VAR_DIR=str(tmp_path), **{**PRODUCTION, **address})
    assert found.stdout.split() == ["404"], found.stderr


def test_weak_production_settings_are_warned_of_with_their_ids(tmp_path):
    weak = {**PRODUCTION, "JWT_SECRET": "short", "PUBLIC_URL": "http://x.example", "DB_HOST": "", "REDIS_HOST": ""}
    found = manage("check", "--deploy", VAR_DIR=str(tmp_path), **weak)
    assert found.returncode == 0
    for id in ("tenantry.W001", "tenantry.W002", "tenantry.W003", "tenantry.W004"):
        assert id in found.stderr


def test_a_secret_may_come_from_a_file(tmp_path):
    (tmp_path / "jwt").write_text("from-a-file-that-is-long-enough-for-hs256\n")
    found = manage(
        "shell", "-v0", "-c", "from django.conf import settings; print(settings.JWT_SECRET)",
        VAR_DIR=str(tmp_path), JWT_SECRET="", JWT_SECRET_FILE=str(tmp_path / "jwt"),
    )  # fmt: skip
    assert found.stdout.strip() == "from-a-file-that-is-long-enough-for-hs256"


def test_two_installations_do_not_share_a_development_secret(tmp_path):
    def secret(folder: str) -> str:
        code = "from django.conf import settings; print(settings.SECRET_KEY)"
        return manage("shell", "-v0", "-c", code, VAR_DIR=str(tmp_path / folder)).stdout.strip()

    assert len({secret("a"), secret("a"), secret("b")}) == 2


def test_units_are_those_of_the_variables(tmp_path):
    code = (
        "from django.conf import settings as s;"
        "print(s.VALIDATION_TOKEN_EXPIRY.total_seconds(), s.LEAD_TOKEN_EXPIRY.total_seconds(),"
        "s.WEBHOOK_SECRET_EXPIRY.total_seconds(), s.WEBHOOK_TIMESTAMP_TOLERANCE.total_seconds())"
    )
    found = manage(
        "shell", "-v0", "-c", code, VAR_DIR=str(tmp_path), VALIDATION_TOKEN_EXPIRY="1500", LEAD_TOKEN_EXPIRY="60",
        WEBHOOK_SECRET_EXPIRY="2000", WEBHOOK_TIMESTAMP_TOLERANCE="5",
    )  # fmt: skip
    assert found.stdout.split() == ["1.5", "60.0", "2.0", "5.0"]


@pytest.mark.django_db
def test_the_longest_times_that_pass_the_check_are_borne_by_the_daily_commands(settings):
    settings.SUBSCRIPTION_NOTICE_DAYS = settings.INVOICE_SUSPEND_AFTER = settings.INVOICE_DUE_DAYS = 36_500
    make_subscription(start_date=timezone.now(), end_date=timezone.now())
    for command in ("generate_invoices --jobs=1", "expire_subscriptions", "mark_overdue"):
        call_command(*command.split())


def test_addresses_of_every_kind_pass(monkeypatch):
    for value in ("https://a.example:8443/x", "http://[::1]:8000", "http://a.example"):
        monkeypatch.setenv("PUBLIC_URL", value)
        assert env.url("PUBLIC_URL") == value
    for value in ("redis:///0", "redis://:p%40ss@cache:6379/1", "unix:///run/redis.sock"):
        monkeypatch.setenv("REDIS_URL", value)
        assert env.url("REDIS_URL", schemes=("redis", "unix")) == value
    monkeypatch.setenv("ALLOWED_HOSTS", "*, .example.com, 10.0.0.7, [::1]")
    assert env.hosts("ALLOWED_HOSTS", []) == ["*", ".example.com", "10.0.0.7", "[::1]"]
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", "https://app.example, http://[::1]:3000")
    assert env.origins("CORS_ALLOWED_ORIGINS") == ["https://app.example", "http://[::1]:3000"]
