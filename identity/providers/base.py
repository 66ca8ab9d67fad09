"""What an identity provider is: one file each, one class, made once for a process."""

from abc import ABC, abstractmethod
from typing import Any


class IdentityProvider(ABC):
    @abstractmethod
    def set_up(self, *, tenant: Any, tier: str) -> str:
        """Give `tenant` (a tenants.models.Tenant) its realm, organization or pool and its first user; the authId.

        Called outside of any transaction, and again with the same tenant when a caller repeats itself: it must look
        before it creates. Raises APIException for what the caller should be told.
        """
