"""`manage.py serve`: the whole service on this machine, until a signal or the closed terminal ends it."""

import errno
import secrets
import signal
import socket
import subprocess
import sys
import time

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from config import env


class Command(BaseCommand):
    help = "Apply migrations, then run the web server (WEB_CONCURRENCY workers, WEB_THREADS threads) and one relay."

    def add_arguments(self, parser):
        parser.add_argument("--staff-login", action="store_true", help="make a staff login if there is none")

    def handle(self, *, staff_login, **options):
        self.refuse_a_taken_port()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        self.stdout.write(f"{settings.APP_NAME} at {settings.PUBLIC_URL}")
        for name, address in (
            ("sign-up", "/signup" if settings.SIGNUP_PAGES else ""),
            ("mailbox", "/dev/mail" if settings.MAILBOX else ""),
            ("back-office", "/admin/"),
            ("API explorer", "/explorer"),
            ("API reference", "/redoc"),
            ("readiness", "/readyz"),
        ):
            if address:
                self.stdout.write(f"  {name:14} {settings.PUBLIC_URL}{address}")
        if staff_login:
            self.make_staff_login()
        self.stdout.flush()
        sys.exit(self.supervise(self.commands()))

    def refuse_a_taken_port(self) -> None:
        """granian would share it with the service that listens there (SO_REUSEPORT), and each get half of the calls."""
        with socket.socket(socket.AF_INET6 if ":" in settings.HOST else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that have ended do not count
            try:
                probe.bind((settings.HOST, settings.PORT))
            except OSError as error:
                taken = error.errno == errno.EADDRINUSE
                reason = "is taken" if taken else f"cannot be had at HOST {settings.HOST}: {error.strerror}"
                raise CommandError(f"PORT {settings.PORT} {reason}.") from error

    def make_staff_login(self) -> None:
        """The login of DJANGO_SUPERUSER_USERNAME and DJANGO_SUPERUSER_PASSWORD; a random password is printed once."""
        name = env.text("DJANGO_SUPERUSER_USERNAME", "admin")
        given = env.secret("DJANGO_SUPERUSER_PASSWORD", required=False)
        users = get_user_model().objects
        user = users.filter(username=name).first()
        kept = settings.VAR_DIR / "staff-password"
        password = given or (kept.read_text() if kept.exists() else secrets.token_urlsafe(12))
        if user is None:
            users.create_superuser(name, password=password)
            if not given and not settings.PRODUCTION:
                kept.touch(mode=0o600)
                kept.write_text(password)
        if user is None or (kept.exists() and user.check_password(password)):
            self.stdout.write(f"  {'staff login':14} {name} / {'as given' if given else password}")
        else:
            self.stdout.write(f"  {'staff login':14} {name}")

    def commands(self) -> list[list[str]]:
        manage = [sys.executable, sys.argv[0]]
        # Where the processors do not suffice for both, whoever waits for an answer goes first.
        relay = ["nice", "-n", "5", *manage, "relay"]
        return [[sys.executable, "-m", "config.server"], relay]

    def supervise(self, commands: list[list[str]]) -> int:
        """Run all until one ends or a signal comes; then stop all. The exit status of the one that ended by itself.

        Each is a session of its own: granian's workers do not end when the terminal's Ctrl-C reaches them too.
        """
        children: list[subprocess.Popen] = []
        stopping = []

        def stop(*_):
            stopping.append(True)
            for child in children:
                if child.poll() is None:
                    child.terminate()

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
                signal.signal(number, stop)
        for command in commands:
            children.append(subprocess.Popen(command, start_new_session=True))
        while not stopping and all(child.poll() is None for child in children):
            time.sleep(0.1)
        ended = [child.returncode for child in children if child.poll() is not None]
        status = 0 if stopping else ended[0] or 1
        stop()
        for child in children:
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        return status
