"""The web server: granian with the application imported before its workers are forked, which share that memory.

Run by `manage.py serve`, or as `python -m config.server`. A worker answers WEB_THREADS requests at once
(`config.wsgi`): each more takes Python's lock from the others, and is there for calls that wait long.
"""

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from config.wsgi import settings  # and with it the application

CLIENTS = 64
"""Threads of a worker, of which most wait for a client to send its body; they are started when they are needed."""


def main() -> None:
    Granian(
        "config.wsgi:application",
        address=settings.HOST,
        port=settings.PORT,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=settings.WEB_CONCURRENCY,
        blocking_threads=settings.WEB_THREADS + CLIENTS,
        blocking_threads_idle_timeout=600,  # a thread keeps what it has opened
        respawn_failed_workers=True,
        workers_kill_timeout=25,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main()
