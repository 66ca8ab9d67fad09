from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from identity.models import User

admin.site.register(User, UserAdmin)
# Their pages show the tokens themselves.
admin.site.unregister([BlacklistedToken, OutstandingToken])
