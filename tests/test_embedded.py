"""The embedded default: what is tested on PostgreSQL holds on SQLite, which has other numbers, locks and limits."""

import os
import re
import subprocess
import sys

from tests.processes import ROOT
from tests.servers import EMBEDDED, STARTED

FILES = ("cache", "invoices", "plan_changes", "renewals", "revenue", "sign_up", "subscriptions")
"""The quick ones about money, limits and the way in; CONTRIBUTING says how any other is run so."""
NEED_POSTGRESQL = 1
"""How many of their tests are skipped there; no other may be in silence."""


def test_the_same_holds_on_sqlite():
    inherited = {name: value for name, value in os.environ.items() if name not in (STARTED, "PYTEST_XDIST_WORKER")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n0", "-q", "--tb=short", *(f"tests/test_{name}.py" for name in FILES)],
        env=inherited | {EMBEDDED: "1"}, cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    skipped = re.findall(r"^SKIPPED \[(\d+)\] \S+ (.+)", done.stdout, re.MULTILINE)
    assert skipped == [(str(NEED_POSTGRESQL), "needs PostgreSQL")]
