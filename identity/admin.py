from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from config.admin import BackOfficeAdmin
from identity.models import User

# Their pages show the tokens themselves.
admin.site.unregister([BlacklistedToken, OutstandingToken])
admin.site.unregister(Group)


@admin.register(User)
class StaffAdmin(UserAdmin, BackOfficeAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class RoleAdmin(GroupAdmin, BackOfficeAdmin):
    pass
