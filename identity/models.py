"""The people who log in: staff. Leads are no users; their tokens come from `leads.verification`."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A member of staff. Groups give permissions, and through them the codes of CONTRACT section 2."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)

    class Meta(AbstractUser.Meta):
        db_table = "users"
