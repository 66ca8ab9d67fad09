"""Addresses under /admin/ that no model's page has, or that do more than Django's of the same name."""

from django.contrib import admin
from django.urls import path

from identity import passwords, two_factor

urlpatterns = [
    path("two-factor/", admin.site.admin_view(two_factor.enrol), name="two-factor"),
    path("password_change/", admin.site.admin_view(passwords.change, cacheable=True)),
]
