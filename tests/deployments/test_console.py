"""The command `qingcloud-k8s`: complete, and quick to start."""

import subprocess
import sys
from pathlib import Path

import pytest

from deployments.console import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
FLOWS = {
    file.stem.replace("_", "-"): f"flows.{file.stem}" for file in (ROOT / "flows").glob("[!_]*.py")
}
OTHERS = {"schema", "tour", "server", "deploy", "worker", "local"}

SLOW = ("prefect", "kubernetes", "pandas", "sqlalchemy", "paramiko", "pydantic", "httpx")
"""What no help needs, and what would make it slow."""

SHOW_IMPORTED = """
import contextlib, io, sys
from deployments.console import main
for words in {lines}:
    sys.argv = ["qingcloud-k8s", *words]
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as shown:
        main()
    assert words[-1:] != ["--help"] or "Usage: " in shown.getvalue(), words
print(*(name for name in {watched} if name in sys.modules))
"""


def imported(*lines: tuple[str, ...]) -> set[str]:
    """Which modules of sub-commands, and slow libraries, one process imports for these lines."""
    watched = [*(command.module for command in COMMANDS.values()), *SLOW]
    text = SHOW_IMPORTED.format(lines=list(lines), watched=watched)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_every_flow_has_a_sub_command() -> None:
    assert COMMANDS.keys() == FLOWS.keys() | OTHERS
    assert all(COMMANDS[name].module == module for name, module in FLOWS.items())


def test_help_and_errors_of_typing_import_nothing_slow() -> None:
    """In one process, because a process costs more than all the help."""
    ours = COMMANDS.keys() - {"local"}  # it is a program of its own, with other libraries
    helped = [(name, "--help") for name in sorted(ours)]
    mistyped = [(name, "--nonsense") for name in sorted(ours)]
    assert imported(("--help",), ("provison",), *helped, *mistyped) == set()


def test_the_local_cloud_imports_no_command_of_ours() -> None:
    assert imported(("local", "--help")) <= {"localcloud", "pydantic"}


@pytest.mark.parametrize("module", ["flows.scale", "deployments.server"])
def test_help_of_a_module_imports_nothing_slow(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", module, "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert f"Usage: python -m {module}" in done.stdout
    names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "cyclopts" in names
    assert not names & {*SLOW, module}
