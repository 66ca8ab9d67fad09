"""`manage.py create_staff NAME --role ROLE`: a login for the back-office."""

import secrets

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from config import env
from identity.models import User
from identity.roles import CODES


class Command(BaseCommand):
    help = "Make a login for staff. The password comes from STAFF_PASSWORD, or is made up and printed once."

    def add_arguments(self, parser):
        parser.add_argument("username")
        parser.add_argument("--role", choices=list(CODES), required=True)
        parser.add_argument("--email", default="")

    @transaction.atomic
    def handle(self, *, username, role, email, **options):
        if User.objects.filter(username=username).exists():
            raise CommandError(f"There is a user {username} already.")
        given = env.secret("STAFF_PASSWORD", required=False)
        password = given or secrets.token_urlsafe(max(15, settings.STAFF_PASSWORD_LENGTH))
        user = User(username=username, email=email, is_staff=True)
        try:
            user.full_clean(exclude=["password"])
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        user.set_password(password)
        user.save()
        user.groups.add(Group.objects.get(name=role))
        self.stdout.write(f"{username} is {role}." + ("" if given else f" Password: {password}"))
