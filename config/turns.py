"""Turns that are given in the order in which they were asked for."""

import threading
from collections import deque


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
            if self._free:
                self._free -= 1
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # until who has a turn hands it over

    def __exit__(self, *_) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
