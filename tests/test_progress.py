"""Commands that may take long show on a terminal how far they are, and write lines alone elsewhere."""

import os
import pty
import termios
from contextlib import redirect_stderr, suppress
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from provisioning.connectors.base import PublishError
from provisioning.models import ProvisioningRun
from tenants.models import TenantStatus
from tests.make import make_invoice, make_run, make_tenant

pytestmark = pytest.mark.django_db


def shown_on_a_terminal(command: list[str]) -> str:
    """What `command` writes to the stream of errors, which is one."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 80))
    with os.fdopen(theirs, "w") as terminal, redirect_stderr(terminal):
        call_command(*command)
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as screen, suppress(OSError):  # how Linux says that it has shown all
        while piece := screen.read(4096):
            shown += piece
    return shown.decode()


@pytest.fixture(params=["replay_events", "export_tenant", "purge_deleted", "reconcile"])
def command(request, bus, relayed, staff, tmp_path, monkeypatch) -> list[str]:
    """A command that finds two things to do."""
    tenants = [make_tenant(status=TenantStatus.ACTIVE) for _ in range(2)]
    if request.param == "replay_events":
        for tenant in tenants:
            assert staff.post(f"/tenants/{tenant.id}/suspend").status_code == 204
        bus.failures = [PublishError("no", permanent=True) for _ in tenants]
        relayed()
        monkeypatch.setattr("provisioning.delivery.AT_ONCE", 1)
        return ["replay_events", "--dead"]
    if request.param == "export_tenant":
        for _ in range(2):
            make_invoice(tenants[0])
        return ["export_tenant", str(tenants[0].id), "--output", str(tmp_path / "x.zip")]
    if request.param == "purge_deleted":
        for tenant in tenants:
            assert staff.delete(f"/tenants/{tenant.id}").status_code == 204
        return ["purge_deleted", "--older-than", "0"]
    for _ in range(2):
        make_run()
    relayed()
    ProvisioningRun.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    return ["reconcile"]


def test_progress_is_on_a_terminal(command):
    assert "2/2" in shown_on_a_terminal(command)


def test_progress_is_nowhere_else(command, capsys):
    call_command(*command)
    written = capsys.readouterr()
    assert written.err == ""
    assert "\r" not in written.out
    assert "2/2" not in written.out
