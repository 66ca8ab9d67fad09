"""An identity provider that keeps everything in a dictionary of this process: for development and tests."""

import uuid

from identity.providers.base import IdentityProvider, Step


class MemoryProvider(IdentityProvider):
    def __init__(self):
        self.homes: dict[str, dict[str, str]] = {}
        """The users, mail address → id, of each realm, organization, pool, or whatever it should stand for."""

    def connect(self):
        return self.homes

    def check(self, client):
        """There are no credentials."""

    def steps(self, client, tenant, memory):
        name, email = self.home(tenant), tenant.admin.email.lower()
        users = yield Step(
            "directory",
            f"directory {name}",
            look=lambda: client.get(name),
            do=lambda: client.setdefault(name, {}),
            shared=not tenant.is_silo,
        )
        user = yield Step(
            "user",
            f"user {email} in {name}",
            look=lambda: users.get(email),
            do=lambda: users.setdefault(email, str(uuid.uuid4())),
        )
        return lambda: user
