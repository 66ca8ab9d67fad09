"""The cache of an installation without Redis: a table, in which limits are counted."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from provisioning import relay
from tests.make import sign_up_body

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def table(settings):
    settings.CACHES = settings.CACHES | {"default": {"BACKEND": "config.cache.DatabaseCache", "LOCATION": "cache"}}
    settings.RATELIMIT_USE_CACHE = "default"
    call_command("createcachetable", verbosity=0)


def entries() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM cache")
        return cursor.fetchone()[0]


def signs_up(anyone, email: str = "ada@acme.example") -> int:
    return anyone.post("/leads", sign_up_body(email=email)).status_code


def test_sign_ups_are_counted_for_the_whole_hour(anyone, settings, monkeypatch):
    settings.SIGN_UPS_PER_EMAIL = 2
    assert [signs_up(anyone) for _ in range(4)] == [200, 200, 429, 429]
    monkeypatch.setattr("django.core.cache.backends.db.tz_now", lambda: timezone.now() + timedelta(minutes=59))
    assert signs_up(anyone) == 429


def test_limits_hold_however_many_sign_up(anyone, settings):
    settings.SIGN_UPS_PER_EMAIL = 1
    assert signs_up(anyone) == 200
    for number in range(350):
        cache.set(f"zzz{number}", 1)
    assert signs_up(anyone) == 429
    assert signs_up(anyone, "new@acme.example") == 200
    assert signs_up(anyone) == 429


def test_what_has_expired_is_deleted_each_minute():
    cache.set("over", 1, timeout=-2)
    cache.set("kept", 1, timeout=60)
    relay.maintain()
    assert (entries(), cache.get("kept")) == (1, 1)


def test_what_is_not_there_is_not_counted():
    with pytest.raises(ValueError, match="no key"):
        cache.incr("unknown")
