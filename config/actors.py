"""Who did something, for people. Rows keep an id without a foreign key: a token minted elsewhere names other users."""

import uuid
from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils.translation import gettext as _


def names_of(actors: Iterable[uuid.UUID | None]) -> dict[uuid.UUID | None, str]:
    """Of those who are members of staff here, and of the service itself, what they are called; in one statement."""
    others = {actor for actor in actors if actor not in (None, settings.SYSTEM_USER_ID)}
    names = {id: user.get_username() for id, user in get_user_model().objects.in_bulk(others).items()}
    return names if settings.SYSTEM_USER_ID is None else {**names, settings.SYSTEM_USER_ID: _("the service")}
