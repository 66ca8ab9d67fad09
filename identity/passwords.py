"""The page on which staff change their own password: Django's, and a line in the audit log."""

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from config import audit
from identity.models import User


@transaction.atomic
def change(request: HttpRequest) -> HttpResponse:
    # Django saves the whole row: it is read again, and locked, so that nothing is written over.
    request.user.refresh_from_db(from_queryset=User.objects.select_for_update(no_key=True))
    before = audit.snapshot(request.user)
    answer = admin.site.password_change(request)
    after = audit.snapshot(request.user)
    if after["password"] != before["password"]:
        audit.record(request, request.user, what="change_password", before=before, after=after)
    return answer
