"""Every setting of the service, read from the environment (the table is in README.md).

Units are those of the variables: VALIDATION_TOKEN_EXPIRY and WEBHOOK_SECRET_EXPIRY are milliseconds, LEAD_TOKEN_EXPIRY
is seconds. A value that makes no sense stops the start with the variable's name.
"""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, unquote

from corsheaders.defaults import default_headers
from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from config import env
from config.domains import ascii_domain

BASE_DIR = Path(__file__).resolve().parent.parent
env.read_dotenv(BASE_DIR / ".env")

NODE_ENV = env.choice("NODE_ENV", "dev", ("dev", "test", "prod"))
PRODUCTION = NODE_ENV == "prod"
VAR_DIR = Path(env.text("VAR_DIR", str(BASE_DIR / "var")))
STATIC_ROOT = env.made("VAR_DIR", VAR_DIR / "static")
APP_NAME = env.text("APP_NAME", "Tenantry")
HOST, PORT = env.ip_address("HOST", "127.0.0.1"), env.port("PORT", 8000)
PUBLIC_URL = env.url("PUBLIC_URL", f"http://127.0.0.1:{PORT}")

# --- Secrets ---------------------------------------------------------------------------------------------------------


def _development_secret() -> str:
    """A random secret that this checkout keeps in var/, so that no two installations share a well-known one."""
    path = VAR_DIR / "development-secret"
    if not path.exists():
        draft = VAR_DIR / f"development-secret.{secrets.token_hex(4)}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32))
        try:
            path.hardlink_to(draft)  # atomic, and the first of two processes wins
        except FileExistsError:
            pass
        draft.unlink()
    return path.read_text()


def _derived(label: str) -> bytes:
    return hmac.new(SECRET_KEY.encode(), label.encode(), hashlib.sha256).digest()


SECRET_KEY = env.secret("DJANGO_SECRET_KEY", required=PRODUCTION) or _development_secret()
JWT_SECRET = env.secret("JWT_SECRET", required=PRODUCTION) or _derived("jwt").hex()
JWT_ISSUER = env.text("JWT_ISSUER", "tenantry")
ENCRYPTION_KEYS = [
    key.strip() for key in env.secret("ENCRYPTION_KEYS", required=PRODUCTION).split(",") if key.strip()
] or [base64.urlsafe_b64encode(_derived("encryption")).decode()]
try:
    [Fernet(key) for key in ENCRYPTION_KEYS]
except ValueError as error:
    raise ImproperlyConfigured("ENCRYPTION_KEYS must be Fernet keys: 32 bytes each, url-safe base64.") from error

# --- Applications ----------------------------------------------------------------------------------------------------

DEBUG = False  # Django's debug pages show settings and variables; errors go to the log with their request id instead
ALLOWED_HOSTS = env.hosts("ALLOWED_HOSTS", [env.host_of(PUBLIC_URL)] if PRODUCTION else ["*"])
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "identity.User"

INSTALLED_APPS = [
    "rest_framework_simplejwt.token_blacklist",  # before identity, which takes its pages out of the admin
    "auditlog",  # likewise: identity has its page
    "django_otp.plugins.otp_totp",  # likewise
    "config",
    "identity",
    "leads",
    "tenants",
    "billing",
    "provisioning",
    "webhooks",
    "unfold",  # before the admin, whose site it replaces
    "unfold.contrib.filters",
    "unfold.contrib.import_export",  # before import_export, whose templates it replaces
    "import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "anymail",
    "corsheaders",
    "csp",
    "django_otp",
    "axes",
]

MIDDLEWARE = [
    "config.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "config.pages.PagePolicyMiddleware",
    "config.pages.PageFilesMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "config.pages.PageSessionMiddleware",
    "config.middleware.HostMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.pages.PageAuthenticationMiddleware",
    "config.pages.PageMessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.refusals.NotAllowedMiddleware",
    "config.middleware.AdminMiddleware",
]
ADMIN_MIDDLEWARE = [
    "django.middleware.locale.LocaleMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "identity.two_factor.TwoFactorMiddleware",
    "axes.middleware.AxesMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [*env.folders("TEMPLATE_DIRS"), BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.branding.context",
            ]
        },
    }
]

LANGUAGE_CODE = "en"  # of the API and whom we know no language of; pages, mails and the admin are in LANGUAGES
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
FILES_S3_BUCKET = env.text("FILES_S3_BUCKET")
STORAGES = {
    "default": {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": FILES_S3_BUCKET,
            "region_name": env.text("AWS_REGION", "us-east-1"),
            "location": env.text("FILES_S3_PREFIX", ""),
            "file_overwrite": False,
            "default_acl": None,
        },
    }
    if FILES_S3_BUCKET
    else {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": VAR_DIR / "files"}},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION

# --- Database and cache ----------------------------------------------------------------------------------------------

DB_HOST = env.text("DB_HOST")
DB_SCHEMA = env.identifier("DB_SCHEMA", "public")
DB_REPLICA_HOST = env.text("DB_REPLICA_HOST")
DB_POOLER = env.choice("DB_POOLER", "none", ("none", "transaction"))


def _postgresql(host: str, port: int, **pool: int) -> dict:
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": host,
        "PORT": port,
        "USER": env.text("DB_USER", "postgres"),
        "PASSWORD": env.secret("DB_PASSWORD", required=False),
        "NAME": env.text("DB_DATABASE", "postgres"),
        "OPTIONS": {
            # A pool per process; a thread holds at most one connection, so waiting for one cannot deadlock.
            "pool": {"min_size": 1, "max_size": env.integer("DB_POOL_SIZE", 10, minimum=1), "timeout": 30, **pool},
            "options": f"-c search_path={DB_SCHEMA}",
        },
    }
    if DB_POOLER == "transaction":  # the next transaction may be in another session: nothing may be left in this one
        del database["OPTIONS"]["options"]  # which PgBouncer refuses; it sets the path itself (docs/scaling.md)
        database["OPTIONS"]["prepare_threshold"] = None
        database["DISABLE_SERVER_SIDE_CURSORS"] = True
    return database


if DB_HOST:
    DB_PORT = env.port("DB_PORT", 5432)
    DATABASES = {"default": _postgresql(DB_HOST, DB_PORT)}
    if DB_REPLICA_HOST:
        # Who waits for a connection asks the primary instead.
        _replica = _postgresql(DB_REPLICA_HOST, env.port("DB_REPLICA_PORT", DB_PORT), timeout=2, reconnect_timeout=5)
        DATABASES["replica"] = _replica | {"TEST": {"MIRROR": "default"}}
        DATABASE_ROUTERS = ["config.replica.ListsFromReplica"]
        MIDDLEWARE.append("config.replica.ReplicaMiddleware")
elif DB_REPLICA_HOST:
    raise ImproperlyConfigured("DB_REPLICA_HOST needs DB_HOST, the primary that it is a replica of.")
else:
    DB_PATH = Path(env.text("DB_PATH", str(VAR_DIR / "db.sqlite3")))
    env.made("DB_PATH", DB_PATH.parent)
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DB_PATH,
            "OPTIONS": {
                # Readers never wait for the one writer; a writer queues when it begins instead of failing half-way.
                "transaction_mode": "IMMEDIATE",
                "timeout": 30,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    }

REDIS_HOST = env.text("REDIS_HOST")
REDIS_URL = env.url("REDIS_URL", schemes=("redis", "rediss", "unix"))
if REDIS_HOST and not REDIS_URL:
    _password = env.secret("REDIS_PASSWORD", required=False)
    _credentials = f":{quote(_password, safe='')}@" if _password else ""
    _server = f"{REDIS_HOST}:{env.port('REDIS_PORT', 6379)}/{env.integer('REDIS_DATABASE', 0)}"
    REDIS_URL = f"redis://{_credentials}{_server}"
_redis = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "tenantry"}
CACHES = {
    "default": _redis if REDIS_URL else {"BACKEND": "config.cache.DatabaseCache", "LOCATION": "cache"},
    # What can be worked out anew, and is not worth a statement to be kept.
    "sums": _redis if REDIS_URL else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}
if REDIS_URL:
    CACHES["limits"] = {**CACHES["default"], "BACKEND": "config.limit_cache.LimitCache"}
    RATELIMIT_USE_CACHE = "limits"

# --- HTTP API --------------------------------------------------------------------------------------------------------

WEB_CONCURRENCY = env.integer("WEB_CONCURRENCY", 2, minimum=1)  # processes
WEB_THREADS = env.integer("WEB_THREADS", 2, minimum=1)  # of a process, that answer at once
MAX_BODY_BYTES = 1024 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = MAX_BODY_BYTES
TRUSTED_PROXIES = env.integer("TRUSTED_PROXIES", 0)
PUBLIC_API_MAX_ATTEMPTS = env.integer("PUBLIC_API_MAX_ATTEMPTS", 10)
WEBHOOK_API_MAX_ATTEMPTS = env.integer("WEBHOOK_API_MAX_ATTEMPTS", 10)
KEY_CHECK_MAX_ATTEMPTS = env.integer("KEY_CHECK_MAX_ATTEMPTS", 60)
AUTH_MAX_ATTEMPTS = env.integer("AUTH_MAX_ATTEMPTS", 10)
SYSTEM_USER_ID = env.uuid_or_none("SYSTEM_USER_ID")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": env.listing(
        "AUTHENTICATION_CLASSES", ["identity.authentication.JWTAuthentication"]
    ),
    "DEFAULT_PERMISSION_CLASSES": ["identity.permissions.HasPermissionCode"],
    "DEFAULT_PARSER_CLASSES": ["config.parsing.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["config.rendering.OrjsonRenderer"],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "config.schema.Schema",
    "EXCEPTION_HANDLER": "config.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "COERCE_DECIMAL_TO_STRING": False,
    "URL_FORMAT_OVERRIDE": None,
}

SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": JWT_SECRET,
    "ISSUER": JWT_ISSUER,
    "USER_ID_CLAIM": "id",
    "USER_ID_FIELD": "id",
    "AUTH_TOKEN_CLASSES": ("identity.tokens.AccessToken",),
    "TOKEN_USER_CLASS": "identity.authentication.Principal",
    "ACCESS_TOKEN_LIFETIME": timedelta(seconds=env.integer("ACCESS_TOKEN_EXPIRY", 900, minimum=1)),
    "REFRESH_TOKEN_LIFETIME": timedelta(seconds=env.integer("REFRESH_TOKEN_EXPIRY", 86_400, minimum=1)),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "LEEWAY": timedelta(seconds=20),  # for `iat` and `nbf` of a clock that is ahead of ours; `exp` is taken as it is
}

SPECTACULAR_SETTINGS = {
    "TITLE": APP_NAME,
    "VERSION": "0.1.0",
    "DESCRIPTION": "The control plane of a SaaS: from a sign-up form to a provisioned, billed tenant.",
    "OAS_VERSION": "3.1.0",
    "TAGS": [
        {"name": "Leads", "description": "Sign up, prove the mail address, create a tenant."},
        {"name": "Tenants", "description": "The customers, and the moves of their status."},
        {"name": "Contacts", "description": "A tenant's people."},
        {"name": "Tenant configurations", "description": "A tenant's settings."},
        {"name": "Plans", "description": "What is for sale."},
        {"name": "Subscriptions", "description": "Who has taken which plan."},
        {"name": "Billing", "description": "Customers, payments, credit notes and the sums of it all."},
        {"name": "Invoices", "description": "What a tenant owes."},
        {"name": "Provisioners", "description": "What a provisioner calls, signed."},
        {"name": "Authentication", "description": "Tokens for staff."},
        {"name": "Status", "description": "The service itself."},
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_NO_READ_ONLY_REQUIRED": False,
    "ENUM_NAME_OVERRIDES": {
        "TenantStatus": "tenants.models.TenantStatus",
        "InvoiceStatus": "billing.models.InvoiceStatus",
        "Tier": "billing.models.Tier",
        "BillingCycle": "billing.models.BillingCycle",
        "SubscriptionStatus": "billing.models.SubscriptionStatus",
    },
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "config.schema.add_examples"],
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "leadKey": {"type": "http", "scheme": "bearer", "description": "The key of the verification mail."},
            "signature": {"type": "apiKey", "in": "header", "name": "x-signature"},
            "timestamp": {"type": "apiKey", "in": "header", "name": "x-timestamp"},
        }
    },
}

# --- Leads -----------------------------------------------------------------------------------------------------------

LEAD_KEY_LENGTH = env.integer("LEAD_KEY_LENGTH", 36, minimum=16, maximum=128)
VALIDATION_TOKEN_EXPIRY = timedelta(milliseconds=env.integer("VALIDATION_TOKEN_EXPIRY", 300_000, minimum=1))
LEAD_TOKEN_EXPIRY = timedelta(seconds=env.integer("LEAD_TOKEN_EXPIRY", 900, minimum=1))
LEAD_KEY_IN_RESPONSE = env.boolean("LEAD_KEY_IN_RESPONSE", False)
LEAD_CONFLICT_VISIBLE = env.boolean("LEAD_CONFLICT_VISIBLE", False)
SIGN_UPS_PER_EMAIL = env.integer("SIGN_UPS_PER_EMAIL", 10 if PUBLIC_API_MAX_ATTEMPTS else 0)
SIGN_UPS_PER_DOMAIN = env.integer("SIGN_UPS_PER_DOMAIN", 100 if PUBLIC_API_MAX_ATTEMPTS else 0)
RESEND_COOLDOWN = env.integer("RESEND_COOLDOWN", 60 if PUBLIC_API_MAX_ATTEMPTS else 0)
FORM_MIN_SECONDS = env.integer("FORM_MIN_SECONDS", 2)
WORK_EMAIL_REQUIRED = env.boolean("WORK_EMAIL_REQUIRED", False)
PUBLIC_MAIL_DOMAINS = frozenset(map(ascii_domain, env.listing("PUBLIC_MAIL_DOMAINS")))
CHALLENGE_PROVIDER = env.text("CHALLENGE_PROVIDER")
CHALLENGE_SITE_KEY = env.text("CHALLENGE_SITE_KEY")
CHALLENGE_SECRET = env.secret("CHALLENGE_SECRET", required=PRODUCTION and CHALLENGE_PROVIDER is not None)
APP_VALIDATE_URL = env.url("APP_VALIDATE_URL", f"{PUBLIC_URL}/signup/verify")
APP_LOGIN_URL = env.url("APP_LOGIN_URL", PUBLIC_URL)

# --- Events, provisioning and the webhook ----------------------------------------------------------------------------

EVENT_CONNECTORS = env.listing("EVENT_CONNECTOR", [] if PRODUCTION else ["local"])
if not EVENT_CONNECTORS:
    raise ImproperlyConfigured(
        "EVENT_CONNECTOR is required when NODE_ENV=prod: eventbridge, sqs, codebuild, redis, http, log, "
        "or the dotted path of a class of your own."
    )
EVENT_HTTP_URL = env.url("EVENT_HTTP_URL")
EVENT_HTTP_SECRET = env.secret("EVENT_HTTP_SECRET", required=PRODUCTION and "http" in EVENT_CONNECTORS)
EVENT_BUS_NAME = env.text("EVENT_BUS_NAME", "default")
EVENT_SOURCE = env.text("EVENT_SOURCE", "ARC-SAAS")
EVENT_SQS_QUEUE_URL = env.url("EVENT_SQS_QUEUE_URL")
EVENT_REDIS_STREAM = env.text("EVENT_REDIS_STREAM", "tenantry:events")
EVENTS_ON_BUS = env.listing("EVENTS_ON_BUS", ["*"])
EVENT_DELIVERY = env.choice("EVENT_DELIVERY", "relay" if PRODUCTION else "inline", ("inline", "relay"))
EVENT_LEASE = timedelta(seconds=env.integer("EVENT_LEASE", 60, minimum=1))
EVENT_MAX_ATTEMPTS = env.integer("EVENT_MAX_ATTEMPTS", 60, minimum=1)
EVENT_BACKOFF_BASE = timedelta(milliseconds=env.integer("EVENT_BACKOFF_BASE", 1_000, minimum=1))
EVENT_BACKOFF_MAX = timedelta(milliseconds=env.integer("EVENT_BACKOFF_MAX", 120_000, minimum=1))
RELAY_CONCURRENCY = env.integer("RELAY_CONCURRENCY", 32, minimum=1)
RELAY_METRICS_PORT = env.port("RELAY_METRICS_PORT", 0, minimum=0)
DEMO_BUILD_SECONDS = env.integer("DEMO_BUILD_SECONDS", 1)
SILOED_PIPELINE = env.text("SILOED_PIPELINE", "")
POOLED_PIPELINE = env.text("POOLED_PIPELINE", "")
WEBHOOK_SECRET_EXPIRY = timedelta(milliseconds=env.integer("WEBHOOK_SECRET_EXPIRY", 1_200_000, minimum=1))
DEPROVISION_GRACE = timedelta(seconds=env.integer("DEPROVISION_GRACE", 0))
WEBHOOK_SECRET_OVERLAP = timedelta(milliseconds=env.integer("WEBHOOK_SECRET_OVERLAP", 300_000))
WEBHOOK_TIMESTAMP_TOLERANCE = timedelta(seconds=env.integer("WEBHOOK_TIMESTAMP_TOLERANCE", 20, minimum=1))
WEBHOOK_LOG_EXPIRY = timedelta(days=env.integer("WEBHOOK_LOG_EXPIRY", 90, minimum=1, maximum=36_500))
WEBHOOK_HANDLERS = env.pairs("WEBHOOK_HANDLERS")

# --- Identity providers ----------------------------------------------------------------------------------------------
# What one needs beside these is asked for when it is used: a missing setting is then named.

IDENTITY_PROVIDERS = env.pairs("IDENTITY_PROVIDERS")
IDENTITY_PROVIDER = env.text("IDENTITY_PROVIDER", "")
IDENTITY_SHARED_NAME = env.text("IDENTITY_SHARED_NAME", "shared-{tier}")
try:
    _shared_name = IDENTITY_SHARED_NAME.format(tier="basic")
except (KeyError, IndexError, ValueError) as error:
    raise ImproperlyConfigured("IDENTITY_SHARED_NAME may hold {tier} and no other braces.") from error
if re.fullmatch("[a-z0-9]{1,10}", _shared_name):  # a tenant's key may be just this
    raise ImproperlyConfigured("IDENTITY_SHARED_NAME must not look like a tenant's key: put a hyphen in.")
IDENTITY_TIMEOUT = env.integer("IDENTITY_TIMEOUT", 10, minimum=1)
IDENTITY_SETUP_TIMEOUT = env.integer("IDENTITY_SETUP_TIMEOUT", 60, minimum=1)
IDENTITY_INVITATION_EXPIRY = env.integer("IDENTITY_INVITATION_EXPIRY", 432_000, minimum=60)
PASSWORD_LENGTH = env.integer("PASSWORD_LENGTH", 20, minimum=12, maximum=128)
DOMAIN_NAME = env.text("DOMAIN_NAME", "")

KEYCLOAK_HOST = env.origin("KEYCLOAK_HOST")
KEYCLOAK_ADMIN_USERNAME = env.text("KEYCLOAK_ADMIN_USERNAME", "")
KEYCLOAK_ADMIN_PASSWORD = env.secret("KEYCLOAK_ADMIN_PASSWORD", required=False)
KEYCLOAK_ORGANIZATIONS_REALM = env.text("KEYCLOAK_ORGANIZATIONS_REALM", "")
KEYCLOAK_DIRECT_GRANTS = env.boolean("KEYCLOAK_DIRECT_GRANTS", False)
NAMESPACE = env.text("NAMESPACE", "")
ENVIRONMENT = env.text("ENVIRONMENT", "")
if NAMESPACE and not ENVIRONMENT:
    raise ImproperlyConfigured("ENVIRONMENT is required when NAMESPACE is set: both are in the names of parameters.")
AWS_SES_SMTP_HOST = env.text("AWS_SES_SMTP_HOST", "")
AWS_SES_SMTP_USERNAME = env.text("AWS_SES_SMTP_USERNAME", "")
AWS_SES_SMTP_PASSWORD = env.secret("AWS_SES_SMTP_PASSWORD", required=False)
SMTP_FROM_EMAIL = env.text("SMTP_FROM_EMAIL", "")
SMTP_FROM_DISPLAY_NAME = env.text("SMTP_FROM_DISPLAY_NAME", "")

AUTH0_DOMAIN = env.origin("AUTH0_DOMAIN")
AUTH0_CLIENT_ID = env.text("AUTH0_CLIENT_ID", "")
AUTH0_CLIENT_SECRET = env.secret("AUTH0_CLIENT_SECRET", required=False)
AUTH0_AUDIENCE = env.text("AUTH0_AUDIENCE", "")
AUTH0_CONNECTION = env.text("AUTH0_CONNECTION", "Username-Password-Authentication")

# --- Billing ---------------------------------------------------------------------------------------------------------

SELLER_NAME = env.text("SELLER_NAME", APP_NAME)
SELLER_ADDRESS = env.lines("SELLER_ADDRESS")
SELLER_COUNTRY = env.text("SELLER_COUNTRY", "")
SELLER_TAX_ID = env.text("SELLER_TAX_ID", "")
SELLER_LOGO = env.file("SELLER_LOGO")
SELLER_COLOUR = env.matching("SELLER_COLOUR", "#0f5c6e", r"#[0-9a-fA-F]{6}", "a colour such as #0f5c6e")
BILLING_TIME_ZONE = env.time_zone("BILLING_TIME_ZONE", "UTC")
BILLING_TAX_RATE = env.number("BILLING_TAX_RATE", "0", minimum="0", maximum="100")
BILLING_PAYMENT_FIRST = env.boolean("BILLING_PAYMENT_FIRST", False)
INVOICE_SERIES = env.matching("INVOICE_SERIES", "INV", r"[A-Z0-9]{1,10}", "one to ten capital letters and digits")
CREDIT_NOTE_SERIES = env.matching(
    "CREDIT_NOTE_SERIES", "CN", r"[A-Z0-9]{1,10}", "one to ten capital letters and digits"
)
if INVOICE_SERIES == CREDIT_NOTE_SERIES:
    raise ImproperlyConfigured("CREDIT_NOTE_SERIES must differ from INVOICE_SERIES.")
INVOICE_DUE_DAYS = env.integer("INVOICE_DUE_DAYS", 14, maximum=36_500)
INVOICE_TERMS = env.lines("INVOICE_TERMS")
INVOICE_REMINDER_DAYS = env.days("INVOICE_REMINDER_DAYS", [3, 7, 14])
INVOICE_SUSPEND_AFTER = env.integer("INVOICE_SUSPEND_AFTER", 0, maximum=36_500)
SUBSCRIPTION_NOTICE_DAYS = env.integer("SUBSCRIPTION_NOTICE_DAYS", 7, maximum=36_500)
PAYMENT_GATEWAYS = env.pairs("PAYMENT_GATEWAYS")

# --- Mail ------------------------------------------------------------------------------------------------------------

FROM_EMAIL = env.text("FROM_EMAIL", "tenantry@localhost")
DEFAULT_FROM_EMAIL = SERVER_EMAIL = FROM_EMAIL
EMAIL_URL = env.text("EMAIL_URL")
EMAIL_TIMEOUT = 10
EMAIL_FILE_PATH = VAR_DIR / "mail"
_mail = env.parts("EMAIL_URL", EMAIL_URL or "file://")
if _mail.scheme == "file" and PRODUCTION:
    raise ImproperlyConfigured("EMAIL_URL is required when NODE_ENV=prod: smtp://…, smtp+tls://… or ses://.")
if _mail.scheme not in ("file", "console", "ses", "smtp", "smtp+tls", "smtp+ssl"):
    raise ImproperlyConfigured("EMAIL_URL must start with smtp://, smtp+tls://, smtp+ssl://, ses:// or console://.")
MAILBOX = _mail.scheme == "file"  # the development mailbox, at /dev/mail
EMAIL_BACKEND = {
    "file": "config.mailbox.MailboxBackend",
    "console": "django.core.mail.backends.console.EmailBackend",
    "ses": "anymail.backends.amazon_ses.EmailBackend",
}.get(_mail.scheme, "django.core.mail.backends.smtp.EmailBackend")
if _mail.scheme.startswith("smtp"):
    EMAIL_HOST, EMAIL_PORT = _mail.hostname or "localhost", _mail.port or (465 if _mail.scheme == "smtp+ssl" else 25)
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_mail.username or ""), unquote(_mail.password or "")
    EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.scheme == "smtp+tls", _mail.scheme == "smtp+ssl"
AWS_REGION = env.text("AWS_REGION", "us-east-1")
ANYMAIL = {
    "AMAZON_SES_CLIENT_PARAMS": {
        "region_name": AWS_REGION,
        # Half a minute at most for a mail; botocore's own defaults outlast EVENT_LEASE three times.
        "config": {"connect_timeout": 5, "read_timeout": 10, "retries": {"total_max_attempts": 2}},
    }
}

# --- Pages and their look --------------------------------------------------------------------------------------------

SIGNUP_PAGES = env.boolean("SIGNUP_PAGES", True)
APP_COLOR = env.color("APP_COLOR", "#0f766e")
APP_LOGO_URL, APP_LOGO_DARK_URL = env.url("APP_LOGO_URL"), env.url("APP_LOGO_DARK_URL")
TERMS_URL, PRIVACY_URL = env.url("TERMS_URL"), env.url("PRIVACY_URL")
SUPPORT_EMAIL = env.text("SUPPORT_EMAIL")

# --- The back-office -------------------------------------------------------------------------------------------------

STAFF_TWO_FACTOR = env.choice("STAFF_TWO_FACTOR", "optional", ("optional", "required"))
STAFF_PASSWORD_LENGTH = env.integer("STAFF_PASSWORD_LENGTH", 12, minimum=8, maximum=128)
STAFF_SESSION_EXPIRY = env.integer("STAFF_SESSION_EXPIRY", 28_800, minimum=60)
LOGIN_MAX_FAILURES = env.integer("LOGIN_MAX_FAILURES", 10)
LOGIN_COOLOFF = env.integer("LOGIN_COOLOFF", 900, minimum=1)

SESSION_COOKIE_AGE = STAFF_SESSION_EXPIRY
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": STAFF_PASSWORD_LENGTH},
    },
    *(
        {"NAME": f"django.contrib.auth.password_validation.{name}"}
        for name in ("UserAttributeSimilarityValidator", "CommonPasswordValidator", "NumericPasswordValidator")
    ),
]
AXES_ENABLED = LOGIN_MAX_FAILURES > 0
AXES_FAILURE_LIMIT = LOGIN_MAX_FAILURES
AXES_COOLOFF_TIME = timedelta(seconds=LOGIN_COOLOFF)
AXES_HANDLER = "axes.handlers.cache.AxesCacheHandler"  # shared by all processes, and gone by itself
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]  # by name alone, anybody could lock an administrator out
AXES_CLIENT_IP_CALLABLE = "config.throttling.client_network"
AXES_LOCKOUT_CALLABLE = "config.refusals.locked_out"
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
OTP_TOTP_ISSUER = APP_NAME

LOGIN_REDIRECT_URL = "/admin/"
UNFOLD = {
    "SITE_TITLE": "config.backoffice.title",
    "SITE_HEADER": "config.backoffice.title",
    "SITE_LOGO": "config.backoffice.logo",
    "SITE_SYMBOL": "hub",
    "SITE_FAVICONS": [{"rel": "icon", "href": "data:,"}],
    "STYLES": ["config.backoffice.colors", "config.backoffice.stylesheet"],
    "SCRIPTS": ["config.backoffice.scheme", "config.backoffice.keyboard"],
    "GLOBAL_CALLBACK": "config.backoffice.context",
    "DASHBOARD_CALLBACK": "provisioning.dashboard.callback",
    "SIDEBAR": {"show_search": True, "navigation": "config.backoffice.navigation"},
    "ACCOUNT": {"navigation": "config.backoffice.account_links"},
    "LOGIN": {"form": "identity.two_factor.LoginForm"},
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
}

# --- Security --------------------------------------------------------------------------------------------------------

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "config.refusals.csrf_failure"
_HTTPS = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
CSRF_TRUSTED_ORIGINS = ["/".join(PUBLIC_URL.split("/")[:3])]
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _HTTPS
SECURE_SSL_REDIRECT = False  # TLS ends at the proxy in front; health checks come in over plain HTTP
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
_logos = sorted({"/".join(url.split("/")[:3]) for url in (APP_LOGO_URL, APP_LOGO_DARK_URL) if url})
CONTENT_SECURITY_POLICY = {  # nothing inline, nothing evaluated, config/urls.py has the exceptions
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:", *_logos],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}
CORS_ALLOWED_ORIGINS = env.origins("CORS_ALLOWED_ORIGINS")
CORS_ALLOW_HEADERS = [*default_headers, "idempotency-key", "x-challenge-response"]
CORS_EXPOSE_HEADERS = ["Link", "Retry-After", "X-Request-Id", "Idempotency-Replayed"]
SILENCED_SYSTEM_CHECKS = ["security.W008", "axes.W002"]  # see SECURE_SSL_REDIRECT and ADMIN_MIDDLEWARE

# --- Logging ---------------------------------------------------------------------------------------------------------

LOG_LEVEL = {"error": "ERROR", "warn": "WARNING", "info": "INFO", "verbose": "DEBUG", "debug": "DEBUG"}[
    env.choice("LOG_LEVEL", "info", ("error", "warn", "info", "verbose", "debug"))
]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "config.middleware.RequestIdFilter"}},
    "formatters": {"line": {"format": "{asctime} {levelname} {name} [{request_id}] {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["request_id"]}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.request": {"level": "ERROR"},  # a 4xx is the caller's business
        "django.security.DisallowedHost": {"level": "CRITICAL"},  # likewise
        "django.db.backends": {"level": "INFO"},  # its debug lines hold every value of every statement
        "botocore": {"level": "WARNING"},  # likewise, and its info lines tell in each command where it looked for what
        "urllib3": {"level": "INFO"},
        "httpx": {"level": "WARNING"},  # its info lines hold addresses, with people's mail addresses in them
        "httpcore": {"level": "INFO"},
    },
}
