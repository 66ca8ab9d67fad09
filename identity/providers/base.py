"""What an identity provider is: one file each, one class, made once for a process.

A provider only translates. It says which steps a tenant's set-up has, each with a way to look whether it is done and a
way to do it; this class looks before it does, maps the SDK's errors, keeps to the time there is, and reports each step.
It knows nothing of our tables: what it is told is a `TenantProfile`.
"""

import logging
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.conf import settings
from rest_framework.exceptions import APIException, ErrorDetail

logger = logging.getLogger("tenantry.identity")

MARK = "tenantry.tenant"
"""The name of the attribute, tag or metadata that says whose something is. Without the tenant's own id in it, what is
found under the tenant's name is somebody else's, and is never touched."""

LONGEST_REASON = 300
"""Characters of a reason that is the provider's own."""


class ProviderError(APIException):
    """Something that the caller, and the timeline, are told in one sentence. It holds no secret."""


class Unreachable(ProviderError):
    """The provider does not answer, or answers 5xx: the same call again may succeed."""

    status_code = 503
    default_code = "provider_unreachable"

    def __init__(self, detail: str, *, retry_after: int = 5):
        super().__init__(detail)
        self.headers = {"Retry-After": str(retry_after)}


class Refused(ProviderError):
    """The provider does not accept our credentials, or what we ask for."""

    status_code = 502
    default_code = "provider_refused"


class Misconfigured(ProviderError):
    """A setting, or the tenant's configuration, is missing or makes no sense; the sentence names it."""

    status_code = 400
    default_code = "provider_misconfigured"


class Taken(ProviderError):
    """What the tenant should get exists already, and is not this tenant's."""

    status_code = 409
    default_code = "provider_name_taken"


class AlreadyExists(Taken):
    """The provider says that it has this; looking again tells whose it is."""


def required(name: str) -> Any:
    """The setting `name`. Raises Misconfigured where it is empty."""
    value = getattr(settings, name)
    if not value:
        raise Misconfigured(f"{name} is not set.")
    return value


@dataclass(frozen=True)
class Person:
    first_name: str
    last_name: str
    email: str


@dataclass(frozen=True)
class TenantProfile:
    """What a provider is told of a tenant. `config` is the tenant's configuration named like the provider."""

    id: uuid.UUID
    key: str
    name: str
    tier: str
    is_silo: bool
    domains: tuple[str, ...]
    admin: Person
    config: Mapping[str, Any] = field(default_factory=dict)


class Memory:
    """What one attempt leaves to the next: credentials made so far. Kept encrypted, shown to nobody."""

    def __init__(self, values: Mapping[str, str], save: Callable[[dict[str, str]], None]):
        self._values, self._save, self._hidden = dict(values), save, set(values.values())

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def keep(self, **values: str) -> None:
        """Stored when this returns, so that a crash right after forgets nothing."""
        self._values |= values
        self._hidden |= set(values.values())
        self._save(dict(self._values))

    def made(self, name: str, make: Callable[[], str]) -> str:
        """The value kept as `name`; at first what `make` gives."""
        if name not in self._values:
            self.keep(**{name: make()})
        return self._values[name]

    def hide(self, secret: str) -> str:
        """`secret`, which is not kept, but must not show up in a message either."""
        self._hidden.add(secret)
        return secret

    def scrubbed(self, text: str) -> str:
        for secret in filter(None, self._hidden):
            text = text.replace(secret, "…")
        return text


NOTHING = Memory({}, save=lambda values: None)
"""For calls that leave nothing to a next one."""


@dataclass(frozen=True)
class Step:
    """One thing that has to be there. `look` returns it, or None; `do` makes it, and returns it.

    `shared` things belong to several tenants: only one set-up at a time may make one.
    """

    name: str
    what: str
    look: Callable[[], Any]
    do: Callable[[], Any]
    shared: bool = False


Steps = Generator[Step, Any, Callable[[], str]]


@dataclass(frozen=True)
class Attempt:
    """One attempt at a tenant's set-up. `deadline` is in seconds of time.monotonic()."""

    tenant: TenantProfile
    memory: Memory
    deadline: float
    on_step: Callable[[Step, str, str], None]
    """Called after each step with its outcome (found, done or failed) and the reason of a failure."""
    exclusive: Callable[[str], AbstractContextManager[Any]]
    """`exclusive(name)` holds a claim that no other set-up has, or raises Unreachable."""


class IdentityProvider(ABC):
    name = ""
    """What `identityProvider` calls it; set by the registry."""
    credentials: ClassVar[str] = ""
    """The settings that hold our credentials, for the message when they are refused."""
    tenant_options: ClassVar[frozenset[str]] = frozenset()
    """What a tenant's own configuration may hold."""
    sdk_errors: ClassVar[tuple[type[Exception], ...]] = ()
    """The SDK's exceptions, which `translate` understands."""
    invites_by_our_mail: ClassVar[bool] = False
    """Whether the first user is let in by our own mail, with what `invitation` gives."""

    @abstractmethod
    def connect(self) -> Any:
        """The SDK's client, its calls limited to IDENTITY_TIMEOUT seconds. Raises what the SDK raises."""

    @abstractmethod
    def check(self, client: Any) -> None:
        """One harmless call that needs our credentials."""

    @abstractmethod
    def steps(self, client: Any, tenant: TenantProfile, memory: Memory) -> Steps:
        """Yield each step, getting back what its `look` or `do` returned; return what then gives the authId.

        Nothing but `look` and `do` may call the provider. Both may be called again after a crash at any point. In a dry
        run nothing is done, and None comes back for what is missing.
        """

    def translate(self, error: Exception) -> ProviderError:
        """What one of `sdk_errors` means. `of_status` knows what HTTP's statuses mean."""
        raise error

    def invitation(self, client: Any, tenant: TenantProfile, auth_id: str) -> str | None:
        """The address where the first user sets a password, for `invites_by_our_mail`; None for who needs none."""
        return None

    # --- What the subclasses rely on ---------------------------------------------------------------------------------

    def of_status(self, status: int | None, message: str = "") -> ProviderError:
        """The error behind an HTTP status; None is a connection that failed or took too long."""
        if status is None:
            return Unreachable(f"{self.name} cannot be reached.")
        if status in (408, 429) or status >= 500:
            return Unreachable(f"{self.name} answered {status}.")
        if status in (401, 403):
            return Refused(f"{self.name} refuses our credentials ({status}): see {self.credentials}.", code="refused")
        if status == 409:
            return AlreadyExists(f"{self.name} has this already, and it is not this tenant's.")
        return Refused(f"{self.name} answered {status}{': ' if message else ''}{message}.")

    def forget_token(self) -> bool:
        """Give up a token that was refused; whether one had been kept that a fresh one may replace."""
        return False

    def home(self, tenant: TenantProfile) -> str:
        """The name of the tenant's realm, organization or pool: its own key, or what its tier shares."""
        return tenant.key if tenant.is_silo else settings.IDENTITY_SHARED_NAME.format(tier=tenant.tier.lower())

    def must_be_of(self, tenant: TenantProfile, mark: object, what: str) -> None:
        """Raises Taken unless `mark`, as found with the thing, is the tenant's."""
        if mark != str(tenant.id):
            raise Taken(f"{self.name} has a {what} already, and it is not this tenant's.")

    # --- The protocol ------------------------------------------------------------------------------------------------

    def set_up(self, attempt: Attempt) -> str:
        """Do what is not done yet; the authId: the id that the provider has given to the tenant's first user.

        Called outside of any transaction. Raises ProviderError; what was done until then is found by the next attempt.
        """
        first = Step("sign-in", f"sign in to {self.name}", look=self.connect, do=self.connect)
        self.check_options(attempt.tenant)
        plan = self.steps(self._result(first, attempt), attempt.tenant, attempt.memory)
        found = None
        while True:
            try:
                step = plan.send(found)
            except StopIteration as end:
                return end.value()
            found = self._result(step, attempt)

    def dry_run(self, tenant: TenantProfile, memory: Memory) -> Iterator[tuple[str, str]]:
        """(what, whether it is there) of each step, without doing any; what hangs on a missing thing is not looked for.

        Raises ProviderError.
        """
        self.check_options(tenant)
        with self._translated(memory):
            plan = self.steps(self.connect(), tenant, memory)
        found: Any = None
        missing = False
        while True:
            try:
                step = plan.send(found)
            except StopIteration:
                return
            if not missing:
                with self._translated(memory):
                    found = step.look()
                missing = found is None
            yield step.what, "would be done" if missing else "is there"

    def check_credentials(self) -> None:
        """Raises ProviderError when the provider cannot be reached, or refuses us."""
        with self._translated(NOTHING):
            self.check(self.connect())

    def invite(self, tenant: TenantProfile, auth_id: str) -> str | None:
        """`invitation`, made while the mail that carries it is rendered, so that it is stored nowhere.

        Raises ProviderError.
        """
        with self._translated(NOTHING):
            return self.invitation(self.connect(), tenant, auth_id)

    def check_options(self, tenant: TenantProfile) -> None:
        """Raises Misconfigured for an option that the provider does not know."""
        if unknown := sorted(set(tenant.config) - self.tenant_options):
            raise Misconfigured(f"The tenant's configuration {self.name} has unknown options: {', '.join(unknown)}.")

    def _result(self, step: Step, attempt: Attempt) -> Any:
        try:
            if time.monotonic() > attempt.deadline:
                raise Unreachable(f"{self.name} took too long; the same call again goes on from here.")
            with self._translated(attempt.memory):
                result, outcome = step.look(), "found"
            if result is None:
                with attempt.exclusive(f"{self.name} {step.what}") if step.shared else nullcontext():
                    result, outcome = self._done(step, attempt.memory), "done"
        except ProviderError as error:
            if isinstance(error, Refused):
                logger.error("identity provider %s, tenant %s: %s", self.name, attempt.tenant.id, error)
            attempt.on_step(step, "failed", str(error))
            raise
        attempt.on_step(step, outcome, "")
        return result

    def _done(self, step: Step, memory: Memory) -> Any:
        with self._translated(memory):
            if step.shared and (result := step.look()) is not None:
                return result  # somebody else made it while we waited for the claim
            try:
                with self._translated(memory):
                    return step.do()
            except AlreadyExists:
                if (result := step.look()) is None:
                    raise
                return result

    @contextmanager
    def _translated(self, memory: Memory) -> Iterator[None]:
        try:
            yield
        except self.sdk_errors as error:
            translated = self.translate(error)
            # In this order: of a secret that is cut, the rest would not be known for one.
            translated.detail = ErrorDetail(memory.scrubbed(str(translated))[:LONGEST_REASON], translated.get_codes())
            if translated.get_codes() == "refused" and self.forget_token():
                text = f"{self.name} no longer accepts the token that we had; the same call again gets a fresh one."
                raise Unreachable(text, retry_after=1) from error
            raise translated from error
