"""What a caller of the API is told while PostgreSQL or Redis is away."""

import threading

import pytest
from django.db import connection

from tests.conftest import assert_error
from tests.make import sign_up_body
from tests.servers import free_port


def end_session(pid: int) -> None:
    """What a restart of PostgreSQL does to who is connected."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    finally:
        connection.close()


@pytest.mark.django_db
def test_a_limit_that_cannot_be_counted_is_a_503_and_can_be_repeated(anyone, settings):
    settings.PUBLIC_API_MAX_ATTEMPTS, well = 10, settings.CACHES
    settings.CACHES = {**well, "limits": {**well["limits"], "LOCATION": f"redis://127.0.0.1:{free_port()}/0"}}
    answer = anyone.post("/leads", sign_up_body())
    assert_error(answer, 503, code="unavailable")
    assert answer.headers["Retry-After"] == "5"
    settings.CACHES = well
    assert anyone.post("/leads", sign_up_body()).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_is_a_503_and_can_be_repeated(staff):
    assert staff.get("/tenants").status_code == 200
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ending = threading.Thread(target=end_session, args=cursor.fetchone())
    ending.start()
    ending.join()
    assert_error(staff.get("/tenants"), 503, code="unavailable")
    connection.close()  # which the server does between two requests
    assert staff.get("/tenants").status_code == 200
