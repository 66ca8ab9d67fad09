"""Addresses under /admin/ that no model's page has."""

from django.contrib import admin
from django.urls import path

from identity import two_factor

urlpatterns = [path("two-factor/", admin.site.admin_view(two_factor.enrol), name="two-factor")]
