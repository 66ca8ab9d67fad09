"""Processes that share a command's work."""

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor

import django


def pool(count: int) -> ProcessPoolExecutor:
    """`count` processes with connections of their own, which end with this one, however it ends."""
    context = multiprocessing.get_context("spawn")  # a fork would share this process's connections
    return ProcessPoolExecutor(count, mp_context=context, initializer=_begin)


def cores() -> int:
    """The processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _begin() -> None:
    django.setup()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent tells nobody, and its workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
