"""Rules of the whole project that no import contract can check."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.pure

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("flows", "tasks", "domain", "clients", "blocks", "deployments")


def sources(*rooms: str) -> dict[str, str]:
    files = (file for room in rooms for file in sorted((ROOT / room).rglob("*.py")))
    return {str(file.relative_to(ROOT)): file.read_text() for file in files}


def places(pattern: str, *rooms: str) -> list[str]:
    found = re.compile(pattern)
    return [
        f"{name}:{number}: {line.strip()}"
        for name, text in sources(*rooms).items()
        for number, line in enumerate(text.splitlines(), start=1)
        if found.search(line)
    ]


def test_no_code_asks_whether_the_cloud_is_local() -> None:
    asking = r"is_local\b|localcloud|LOCALCLOUD|[!=]= ?[\"']local[\"']"
    assert places(asking, "flows", "tasks", "domain", "clients") == []


def test_the_environment_is_read_in_one_module() -> None:
    readers = {place.partition(":")[0] for place in places(r"os\.environ|getenv", *ROOMS)}
    assert readers == {"blocks/settings.py"}


def test_the_prefect_server_is_called_through_two_modules() -> None:
    """What is called elsewhere would not outlast a restart of the server."""
    calling = r"prefect\.(variables|artifacts)\b|get_client\(|\.(load|save)\(.*(overwrite|_block)"
    callers = {place.partition(":")[0] for place in places(calling, "flows", "tasks", "blocks")}
    # The check of a server's health must fail at once.
    assert callers == {"blocks/server_calls.py", "blocks/artifacts.py", "flows/_cli/server.py"}
