"""System checks: what an operator should know before customers find out. Each has an id and says what to do."""

from django.conf import settings
from django.core.checks import Tags, Warning, register

SIGNING_BYTES = 32


@register(Tags.security, deploy=True)
def secrets_are_long(app_configs, **_):
    if len(settings.JWT_SECRET.encode()) < SIGNING_BYTES:
        yield Warning(
            f"JWT_SECRET is shorter than {SIGNING_BYTES} bytes.",
            hint="RFC 7518, section 3.2 wants as many bytes as the hash has: openssl rand -hex 32.",
            id="tenantry.W001",
        )


@register(Tags.caches, deploy=True)
def limits_are_shared(app_configs, **_):
    if settings.PRODUCTION and not settings.REDIS_URL:
        yield Warning(
            "Rate limits are counted in the database.",
            hint="Set REDIS_HOST or REDIS_URL: counting there costs less.",
            id="tenantry.W002",
        )


@register(Tags.database, deploy=True)
def database_takes_writers(app_configs, **_):
    if settings.PRODUCTION and not settings.DB_HOST:
        yield Warning(
            "SQLite has one writer at a time, and no second machine.",
            hint="Set DB_HOST and its companions to use PostgreSQL.",
            id="tenantry.W003",
        )


@register(Tags.security, deploy=True)
def public_url_is_https(app_configs, **_):
    if settings.PRODUCTION and not settings.PUBLIC_URL.startswith("https://"):
        yield Warning(
            "PUBLIC_URL is not https: secrets and tokens travel in the clear.",
            hint="Put a proxy that ends TLS in front, and set PUBLIC_URL and TRUSTED_PROXIES.",
            id="tenantry.W004",
        )


@register()
def the_mails_link_leads_somewhere(app_configs, **_):
    if not settings.SIGNUP_PAGES and f"{settings.PUBLIC_URL}/signup/verify" == settings.APP_VALIDATE_URL:
        yield Warning(
            "SIGNUP_PAGES is off, and the verification mail's link leads to them.",
            hint="Set APP_VALIDATE_URL to the page of your frontend that verifies.",
            id="tenantry.W006",
        )
