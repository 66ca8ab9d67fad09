"""The page on which staff change their own password: Django's, and a line in the audit log."""

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from config import audit


@transaction.atomic
def change(request: HttpRequest) -> HttpResponse:
    before = audit.snapshot(request.user)
    answer = admin.site.password_change(request)
    after = audit.snapshot(request.user)
    if after["password"] != before["password"]:
        audit.record(request, request.user, what="change_password", before=before, after=after)
    return answer
