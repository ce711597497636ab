"""The command `qingcloud-k8s`: complete, and quick to start."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from cyclopts import App

from deployments.console import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
FLOWS = {
    file.stem.replace("_", "-"): f"flows.{file.stem}" for file in (ROOT / "flows").glob("[!_]*.py")
}
OTHERS = {"schema", "tour", "server", "deploy", "worker", "local"}

SHOW_IMPORTED = """
import sys
from deployments.console import main
sys.argv[1:] = {words}
try:
    main()
except SystemExit as end:
    print(end.code)
print(*sorted(name for name in sys.modules if name in {watched}))
"""


def imported(*words: str) -> list[str]:
    """Which of the modules of sub-commands, and which slow libraries, a command line imports."""
    watched = [command.module for command in COMMANDS.values()] + ["prefect", "pandas"]
    text = SHOW_IMPORTED.format(words=list(words), watched=watched)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.splitlines()[-1].split()


def test_every_flow_has_a_sub_command() -> None:
    assert COMMANDS.keys() == FLOWS.keys() | OTHERS
    assert all(COMMANDS[name].module == module for name, module in FLOWS.items())


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"local"}))
def test_a_sub_command_is_a_command_by_itself(name: str) -> None:
    assert isinstance(import_module(COMMANDS[name].module).app, App)


@pytest.mark.parametrize("words", [("--help",), ("provison",)])
def test_the_list_and_a_refusal_import_no_sub_command(words: tuple[str, ...]) -> None:
    assert imported(*words) == []


def test_a_sub_command_imports_no_other() -> None:
    assert imported("status", "--help") == ["flows.status", "prefect"]
    assert imported("local", "--help") == ["localcloud"]
