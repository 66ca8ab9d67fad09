"""The rooms: imports go one way, migrations are complete, the environment is read in one file."""

import ast
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ["config", "identity", "leads", "tenants", "billing", "provisioning", "webhooks"]
"""Each may import those before it."""


def sources() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if "migrations" not in path.parts]


def imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found.add(node.module.partition(".")[0])
    return found & set(ROOMS)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    if path.relative_to(ROOT).as_posix() == "config/urls.py":
        return  # names the apps' addresses as text
    room = path.relative_to(ROOT).parts[0]
    assert imported_rooms(path) <= set(ROOMS[: ROOMS.index(room) + 1])


def test_the_environment_is_read_in_one_file():
    allowed = {"config/env.py", "config/management/commands/demo.py", "config/wsgi.py"}
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in sources()
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    }
    assert readers <= allowed


def test_files_stay_readable():
    long = {
        path.name: lines
        for path in sources()
        if (lines := len(path.read_text().splitlines())) > (600 if path.name == "settings.py" else 420)
    }
    assert not long


@pytest.mark.django_db
def test_no_model_change_lacks_its_migration():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
