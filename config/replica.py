"""Lists and counts from a read replica, where DB_REPLICA_HOST names one: a database router, and what tells it when.

Only what a GET of the API lists or counts for staff and services is read there. Everything else is the primary's: a
lead's own few rows, single objects, public lists, pages, what is written or locked, tables that no list shows.

Who has written sees what it wrote, however far the replica is behind: the position of the primary's log after a write
is kept for its caller, whose lists come from the primary until the replica has replayed that far. A replica that is
away or cancels the statement costs a repetition on the primary, which has the lists until it answers again.
"""

import hashlib
import logging
import time
from contextvars import ContextVar
from http import HTTPStatus

from django.core.cache import cache
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

from config.cache import FAILURES
from config.models import AuditedModel

ALIAS = "replica"
LISTS = frozenset({"list", "count"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
AWAY_SECONDS = 5
"""How long a replica that failed is left alone."""
MARK_SECONDS = 3600
"""How long a caller's last write is remembered. A replica that is further behind than this needs its operator."""
logger = logging.getLogger(__name__)


class Reading:
    """The reads of one request that lists or counts; where they go is decided at the first."""

    away_until = 0.0  # of the whole process, by time.monotonic(); 0 once the replica has answered

    def __init__(self, request):
        self.request = request
        self.chosen: str | None = None
        request.reading = self

    @property
    def database(self) -> str:
        if self.chosen is None:
            self.chosen = ALIAS if self._may_lag() and self._answers() else DEFAULT_DB_ALIAS
        return self.chosen

    @property
    def is_repeatable(self) -> bool:
        """Whether what fails can be asked of the primary: it was asked of the replica."""
        return self.chosen == ALIAS

    def _may_lag(self) -> bool:
        """Whether the caller is known, and no lead."""
        user = getattr(self.request, "user", None)  # set once the API has judged the token
        return getattr(user, "pk", None) is not None and getattr(user, "lead_id", None) is None

    def _answers(self) -> bool:
        """Whether the replica is there and has what the caller wrote. After a failure one request tries it again."""
        if time.monotonic() < Reading.away_until:
            return False
        try:
            position = cache.get(_mark(self.request.user))
        except FAILURES:  # whether the caller wrote is not known
            return False
        if position is None and not Reading.away_until:
            return True
        if Reading.away_until:
            Reading.away_until = time.monotonic() + AWAY_SECONDS
        try:
            with connections[ALIAS].cursor() as cursor:
                cursor.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", [position or "0/0"])
                (replayed,) = cursor.fetchone()
        except OperationalError as error:
            self.failed(error)
            return False
        Reading.away_until = 0.0
        return bool(replayed)

    def failed(self, error: OperationalError) -> None:
        """Leave the replica alone for a while."""
        logger.warning("Lists come from the primary: the replica fails (%s).", type(error.__cause__).__name__)
        Reading.away_until = time.monotonic() + AWAY_SECONDS
        connections[ALIAS].close()
        self.chosen = DEFAULT_DB_ALIAS


_reading: ContextVar[Reading | None] = ContextVar("reading", default=None)


def state() -> str:
    """What /readyz says; without a replica the service is ready all the same."""
    return "away: lists come from the primary" if Reading.away_until else "ok"


def _mark(user) -> str:
    return "written:" + hashlib.sha256(str(user.pk).encode()).hexdigest()


class ReplicaMiddleware:
    """Says which requests may read from the replica, and remembers who has written."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        token = _reading.set(None)
        try:
            response = self.get_response(request)
        finally:
            _reading.reset(token)
        if request.method not in SAFE and response.status_code < HTTPStatus.BAD_REQUEST:
            self.remember(getattr(request, "user", None))
        return response

    def process_view(self, request, view, args, kwargs):
        if request.method in SAFE and getattr(view, "actions", {}).get(request.method.lower()) in LISTS:
            _reading.set(Reading(request))

    def process_exception(self, request, error):
        """The list again, from the primary."""
        reading = _reading.get()
        if reading is None or not reading.is_repeatable or not isinstance(error, OperationalError):
            return None
        reading.failed(error)
        view, args, kwargs = request.resolver_match
        return view(request, *args, **kwargs)

    @staticmethod
    def remember(user) -> None:
        if getattr(user, "pk", None) is None or getattr(user, "lead_id", None) is not None:
            return
        with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_insert_lsn()::text")
            (position,) = cursor.fetchone()
        # Of two writes of one caller at the same moment the later position may be lost to the earlier.
        try:
            cache.set(_mark(user), position, MARK_SECONDS)
        except FAILURES as error:  # what was written is written: the answer must not say otherwise
            logger.warning("A caller may miss what it wrote in its next lists: %s.", type(error).__name__)


class ListsFromReplica:
    """Django's database router."""

    def db_for_read(self, model, **hints) -> str:
        reading = _reading.get()
        if reading is None or not issubclass(model, AuditedModel) or connections[DEFAULT_DB_ALIAS].in_atomic_block:
            return DEFAULT_DB_ALIAS
        return reading.database

    def db_for_write(self, model, **hints) -> str:
        if issubclass(model, AuditedModel):
            _reading.set(None)  # what this request reads from now on may be what it wrote
        return DEFAULT_DB_ALIAS

    def allow_relation(self, one, other, **hints) -> bool:
        return True  # it is one database, twice

    def allow_migrate(self, database: str, app_label: str, **hints) -> bool:
        return database == DEFAULT_DB_ALIAS
