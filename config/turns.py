"""Turns that are given in the order in which they were asked for."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections

_mine = threading.local()


class Turns:
    """A semaphore of `number`, as a context manager, that overtakes nobody.

    Python's own lets who comes just when a turn ends take it before those who wait, and they queue anew: under load
    some then wait several times as long as most.
    """

    def __init__(self, number: int):
        self._free = number
        self._waiting: deque[threading.Lock] = deque()
        self._mutex = threading.Lock()

    def __enter__(self) -> None:
        with self._mutex:
            wait = None if self._free else threading.Lock()
            if wait is None:
                self._free -= 1
            else:
                wait.acquire()
                self._waiting.append(wait)
        if wait is not None:
            wait.acquire()  # until who has a turn hands it over
        _mine.turns = self

    def __exit__(self, *_) -> None:
        _mine.turns = None
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


@contextmanager
def giving_way() -> Iterator[None]:
    """Lets others have this thread's turn, if it has one, while it waits for a service that may be slow.

    It keeps no connection to the database meanwhile, nor while it waits for its turn: who has a turn may need one.
    """
    turns = getattr(_mine, "turns", None)
    if turns is None:
        yield
        return
    _give_back_connections()
    turns.__exit__()
    _mine.gives_way = True
    try:
        yield
    finally:
        _mine.gives_way = False
        _give_back_connections()
        turns.__enter__()


@contextmanager
def meanwhile() -> Iterator[None]:
    """Around what asks the database while the turn is given away: no connection is kept for the wait that goes on."""
    try:
        yield
    finally:
        if getattr(_mine, "gives_way", False):
            _give_back_connections()


def _give_back_connections() -> None:
    for each in connections.all(initialized_only=True):
        if not each.in_atomic_block:
            each.close()
