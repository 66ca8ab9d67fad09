"""Processes of the service that start quickly: forks of one that has imported the packages, and has read no settings.

Most of what a start of `manage.py` costs is importing what it stands on, and the tests start it a hundred times.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path

import cryptography.fernet  # noqa: F401  (for the forks)
import django.contrib.admin
import django.contrib.messages
import django.contrib.postgres.fields
import django.core.management
import django.core.management.commands.check
import django.core.servers.basehttp
import django.db.models
import django.template.loader
import django.test.client
import django.views.generic  # noqa: F401  (for the forks)
import django_ratelimit.core  # noqa: F401  (for the forks)
import django_redis.cache  # noqa: F401  (for the forks)
import environ  # noqa: F401  (for the forks)
import jinja2  # noqa: F401  (for the forks)
import jsonschema  # noqa: F401  (for the forks)
import prometheus_client  # noqa: F401  (for the forks)
import psycopg_pool  # noqa: F401  (for the forks)
import pygments.lexers
import pygments.styles  # noqa: F401  (for the forks)
import qrcode.main  # noqa: F401  (for the forks)
import requests  # noqa: F401  (for the forks)
import standardwebhooks  # noqa: F401  (for the forks)
import uritemplate  # noqa: F401  (for the forks)
import yaml  # noqa: F401  (for the forks)

ROOT = Path(__file__).resolve().parent.parent
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([__name__])


class Process(_FORKS.Process):
    """`python <script> <arguments>` in the root of the checkout, to be waited for and stopped as a subprocess.Popen.

    What it writes goes into the files `out` and `err`. A `leader` has a process group of its own.
    """

    def __init__(
        self, script: str, *arguments: str, env: dict[str, str], out: Path | None = None, err: Path | None = None,
        leader: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.command, self.env, self.leader = [str(ROOT / script), *map(str, arguments)], env, leader
        self.files = {1: str(out or os.devnull)} | ({2: str(err)} if err else {})
        self.start()

    def run(self) -> None:
        if self.leader:
            os.setsid()
        for descriptor, path in self.files.items():
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        os.chdir(ROOT)
        os.environ.clear()
        os.environ.update(self.env)
        sys.argv, sys.path[0] = self.command, str(ROOT)
        runpy.run_path(self.command[0], run_name="__main__")

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status; negative is the signal that ended it. Raises subprocess.TimeoutExpired."""
        self.join(timeout)
        if self.exitcode is None:
            raise subprocess.TimeoutExpired(self.command, timeout)
        return self.exitcode
