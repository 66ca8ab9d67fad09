"""The web server as `manage.py serve` starts it: slow clients, bodies without a length, the end of the process."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import requests
from django.db import connection

from config import wsgi
from config.turns import Turns, giving_way
from tests.conftest import call_users, users_body, users_signed
from tests.make import make_contact, make_run
from tests.processes import ROOT, Process
from tests.running import stopping
from tests.slow import OPEN, WAITING, Watched
from tests.world import manage, served, serving, wait_until

LEAD = {"firstName": "Ada", "lastName": "Lovelace", "companyName": "Acme", "email": "ada@acme.example"}
SLOW = b"POST /leads HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with served(VAR_DIR=str(tmp_path_factory.mktemp("server")), PUBLIC_API_MAX_ATTEMPTS="1000") as url:
        yield url


def test_clients_that_send_slowly_keep_nobody_waiting(service):
    port = int(service.rpartition(":")[2])
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    for client in clients:
        client.sendall(SLOW)
    time.sleep(0.5)  # until each has a thread
    assert requests.post(f"{service}/leads", json=LEAD, timeout=30).status_code == 200
    for client in clients:
        client.close()


def test_sign_ups_that_wait_for_a_slow_challenge_keep_nobody_waiting(tmp_path):
    doorman = {"CHALLENGE_PROVIDER": "tests.slow.Doorman", "CHALLENGE_SITE_KEY": "s", "CHALLENGE_SECRET": "s"}
    with served(VAR_DIR=str(tmp_path), WEB_THREADS="1", **doorman) as url, ThreadPoolExecutor() as pool:
        ask = partial(requests.post, f"{url}/leads", json=LEAD, headers={"X-Challenge-Response": "x"}, timeout=60)
        waiting = [pool.submit(ask) for _ in range(4)]
        wait_until(lambda: len(list(tmp_path.glob(WAITING))) == 4)
        assert requests.get(f"{url}/ping", timeout=10).ok
        (tmp_path / OPEN).touch()
        assert {each.result().status_code for each in waiting} == {200}


@pytest.mark.django_db(transaction=True)
def test_set_ups_of_a_slow_identity_provider_keep_no_connection_from_others(tmp_path, settings):
    """More of them than there are connections: who gives its turn away gives its connection back."""
    runs = [make_run() for _ in range(5)]
    for run in runs:
        make_contact(run.tenant, is_primary=True)
    bodies = [users_body(run, provider="registrar") for run in runs]
    few = {"WEB_THREADS": "1", "DB_POOL_SIZE": "2", "IDENTITY_PROVIDERS": "registrar=tests.slow.Registrar"}
    database = {"DB_HOST": connection.settings_dict["HOST"], "DB_PORT": str(connection.settings_dict["PORT"]),
                "DB_USER": connection.settings_dict["USER"], "DB_DATABASE": connection.settings_dict["NAME"],
                "DB_SCHEMA": os.environ["DB_SCHEMA"],
                "ENCRYPTION_KEYS": ",".join(settings.ENCRYPTION_KEYS)}  # fmt: skip
    with served(VAR_DIR=str(tmp_path), WEBHOOK_API_MAX_ATTEMPTS="0", **few, **database) as url:
        with ThreadPoolExecutor() as pool:
            ask = partial(requests.post, f"{url}/manage/users", timeout=60)
            waiting = [pool.submit(ask, body, headers={"content-type": "application/json", **users_signed(run, body)})
                       for run, body in zip(runs, bodies, strict=True)]  # fmt: skip
            wait_until(lambda: len(list(tmp_path.glob(WAITING))) == len(runs))
            (tmp_path / OPEN).touch()
            answers = [each.result() for each in waiting]
        assert [each.status_code for each in answers] == [200] * len(runs), [each.text for each in answers]


@pytest.mark.django_db(transaction=True)
def test_a_set_up_that_has_written_something_keeps_no_connection_while_the_provider_is_slow(settings):
    settings.IDENTITY_PROVIDERS = {"watched": "tests.slow.Watched"}
    run = make_run()
    make_contact(run.tenant, is_primary=True)
    with Turns(1):
        assert call_users(run, provider="watched").status_code == 200
    assert Watched.connected == [False] * 3


def test_a_type_of_content_that_cannot_be_read_is_refused(service):
    headers = {"Content-Type": "application/json; a*=none'en'x%41"}
    assert requests.post(f"{service}/leads", data=b"{}", headers=headers).status_code == 415


def test_a_body_without_a_length_is_read_and_one_that_is_too_large_refused(service):
    headers = {"Content-Type": "application/json"}
    whole = json.dumps(LEAD).encode()
    assert requests.post(f"{service}/leads", data=iter([whole[:20], whole[20:]]), headers=headers).status_code == 200
    large = iter([b" " * 65536] * 20)
    refused = requests.post(f"{service}/leads", data=large, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


def test_what_is_under_way_is_answered_before_the_end_which_ctrl_c_brings_at_once(tmp_path):
    """A terminal sends SIGINT to all processes of the foreground."""
    answers = []
    with serving(VAR_DIR=str(tmp_path), WEB_CONCURRENCY="2") as (process, url):
        database = sqlite3.connect(tmp_path / "db.sqlite3", isolation_level=None, check_same_thread=False)
        database.execute("BEGIN IMMEDIATE")  # a sign-up waits for it
        asking = threading.Thread(target=lambda: answers.append(requests.post(f"{url}/leads", json=LEAD, timeout=30)))
        asking.start()
        time.sleep(1)
        threading.Timer(1.5, database.execute, ["ROLLBACK"]).start()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(15) == 0
    asking.join()
    assert [answer.status_code for answer in answers] == [200]


def test_a_variable_of_the_environment_is_no_header(monkeypatch):
    monkeypatch.setitem(os.environ, "HTTP_PROXY", "http://user:secret@proxy")
    monkeypatch.setattr(wsgi, "_variables", ["HTTP_PROXY"])
    seen = []
    monkeypatch.setattr(wsgi, "django_application", lambda environ, _: seen.append(environ) or [])
    wsgi.application(dict(os.environ), None)
    wsgi.application({**os.environ, "HTTP_PROXY": "sent"}, None)
    assert [environ.get("HTTP_PROXY") for environ in seen] == [None, "sent"]


def test_turns_are_given_in_the_order_in_which_they_are_asked_for():
    turns, order = Turns(2), []

    def ask(name):
        with turns:
            order.append(name)

    asking = [threading.Thread(target=ask, args=[number]) for number in range(5)]
    with turns:
        with turns:
            for number, each in enumerate(asking, 1):
                each.start()
                wait_until(lambda number=number: len(turns._waiting) == number)
            assert order == []
        ask("late")
    for each in asking:
        each.join()
    assert order == [0, 1, 2, 3, 4, "late"]
    with turns, turns:  # both are free again
        pass


@pytest.mark.django_db(transaction=True)  # connections are given back too
def test_who_gives_way_has_its_turn_again_afterwards():
    turns, seen = Turns(1), []

    def other():
        with turns:
            seen.append("other")

    another = threading.Thread(target=other)
    with giving_way():  # without a turn there is none to give
        pass
    with turns:
        with giving_way():
            another.start()
            another.join(5)
        assert seen == ["other"]
        late = threading.Thread(target=other)
        late.start()
        late.join(0.1)
        assert late.is_alive()
    late.join()


def test_the_folder_for_files_is_its_users_in_the_image():
    """A volume that is mounted where the image has no folder is root's."""
    image = (ROOT / "Dockerfile").read_text()
    (folder,) = re.findall(r"VAR_DIR=(\S+)", image)
    assert f"install -d -o tenantry {folder}" in image.partition("USER tenantry")[0]
    assert f"files:{folder}" in (ROOT / "compose.yaml").read_text()


def test_a_second_service_at_a_port_that_is_taken_is_refused(service, tmp_path):
    port = service.rpartition(":")[2]
    refused = manage("serve", PORT=port, VAR_DIR=str(tmp_path))
    assert refused.returncode != 0
    assert refused.stderr.splitlines()[-1] == f"CommandError: PORT {port} is taken."
    assert not (tmp_path / "db.sqlite3").exists()


CHILD = """
import signal, sys, time

def say(word):  # in one piece: two processes write to one file
    sys.stdout.write(word + "\\n")
    sys.stdout.flush()

def told(number, _):
    say(signal.Signals(number).name)
    if number == signal.SIGTERM:
        sys.exit()

for each in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(each, told)
say("begun")
time.sleep(60)
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_whatever_ends_the_service_its_processes_are_told_by_it_alone(name, tmp_path):
    (tmp_path / "serve.py").write_text(
        "import sys; from config.management.commands.serve import Command\n"
        f'sys.exit(Command().supervise([[sys.executable, "-c", {CHILD!r}]] * 2))'
    )
    said = tmp_path / "said"
    with stopping(Process(tmp_path / "serve.py", env=dict(os.environ), out=said, leader=True)) as process:
        wait_until(lambda: said.exists() and said.read_text().count("begun") == 2)
        os.killpg(process.pid, getattr(signal, name))
        assert process.wait(10) == 0
    assert set(said.read_text().split()) == {"begun", "SIGTERM"}


@pytest.mark.parametrize("given", ["", "9000"])
def test_make_passes_a_port_on_and_leaves_one_that_is_not_given_to_the_dotenv(given):
    told = [f"PORT={given}"] if given else []
    options = ["--no-print-directory", "-o", ".venv/.installed", "PY=sh -c 'echo PORT=$$PORT' --"]
    environment = {name: value for name, value in os.environ.items() if name not in ("PORT", "MAKEFLAGS")}
    said = subprocess.run(
        ["make", *options, "serve", *told], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert said == f"PORT={given}\n"
