"""Ctrl-C, and the SIGTERM of systemd, containers and CI: one sentence, an exit code for each."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]

COMMAND = """
import os, signal, time
from flows._cli.command import run
from flows._cli.interruption import is_interrupted, until_interrupted

def hear(number=signal.{name}):
    os.kill(os.getpid(), number)

def main(flags):
{body}

run(main, None)
print("never reached")
"""


AT_IMPORT = """
import os, sys

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "{name}":
            os.kill(os.getpid(), {number})

sys.meta_path.insert(0, Interrupting())
"""
"""What Python runs first: it sends the signal when a module is about to be imported."""


def start(*words: str, folder: Path = ROOT, path: Path = ROOT) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{path}{os.pathsep}{ROOT}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_command(number: int, body: str) -> tuple[int, str, str]:
    """Run a command of a few lines, in which `hear()` sends it the signal."""
    indented = "\n".join(f"    {line}" for line in body.strip().splitlines())
    text = COMMAND.format(name=signal.Signals(number).name, body=indented)
    with TemporaryDirectory() as folder:
        Path(folder, "ended.py").write_text(text)
        process = start("-m", "ended", folder=Path(folder))
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("imported", ["flows.status", "prefect.types", "prefect.flows"])
def test_an_interruption_during_the_imports_prints_one_sentence(
    tmp_path: Path, imported: str, number: int, code: int
) -> None:
    (tmp_path / "sitecustomize.py").write_text(AT_IMPORT.format(name=imported, number=int(number)))
    process = start("-m", "flows.status", path=tmp_path)
    out, err = process.communicate(timeout=60)
    assert err == "Error: interrupted; nothing was started\n"
    assert (process.returncode, out) == (code, "")


def test_an_importer_keeps_its_signal_handlers() -> None:
    look = (
        "from signal import SIGINT, SIGTERM, getsignal; "
        "before = [getsignal(SIGINT), getsignal(SIGTERM)]; "
        "import flows.status, flows.provision; "
        "print([getsignal(SIGINT), getsignal(SIGTERM)] == before)"
    )
    out, _ = start("-c", look).communicate(timeout=60)
    assert out == "True\n"


@pytest.mark.parametrize(("number", "code"), CODES)
def test_an_interrupted_command_reports_that_nothing_is_lost(number: int, code: int) -> None:
    done, out, err = run_command(number, "hear()\ntime.sleep(60)")
    assert (done, out) == (code, "")
    assert err == (
        "Error: interrupted; nothing is lost, and the same command continues where this one ended\n"
    )


@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            """
from pydantic import BaseModel, model_serializer
class State(BaseModel):
    @model_serializer
    def ser_model(self) -> dict:
        hear()
        return {}
State().model_dump_json()
""",
            id="pydantic takes it for an error of its own",
        ),
        pytest.param(
            """
try:
    hear()
except KeyboardInterrupt:
    raise OSError("the connection was cut") from None
""",
            id="another error hides it",
        ),
        pytest.param('exec("hear(); time.sleep(60)")', id="Python itself would die of it"),
    ],
)
def test_an_error_that_the_signal_has_caused_is_the_interruption(
    body: str, number: int, code: int
) -> None:
    done, _, err = run_command(number, body)
    assert done == code
    assert err.startswith("Error: interrupted; nothing is lost")
    assert err.count("\n") == 1


def test_a_termination_that_prefect_received_is_found_behind_an_error_of_pydantic() -> None:
    done, _, err = run_command(
        signal.SIGTERM,
        """
from prefect.utilities.engine import capture_sigterm
from pydantic import BaseModel, model_serializer
class State(BaseModel):
    @model_serializer
    def ser_model(self) -> dict:
        hear()
        return {}
with capture_sigterm():
    State().model_dump_json()
""",
    )
    assert done == 143
    assert err.startswith("Error: interrupted; nothing is lost")


def test_a_signal_that_prefect_handles_reaches_the_command_after_the_run() -> None:
    done, _, err = run_command(
        signal.SIGTERM,
        """
from prefect.utilities.engine import capture_sigterm
with capture_sigterm():
    hear()
    time.sleep(60)
""",
    )
    assert done == 143
    assert err.startswith("Error: interrupted; nothing is lost")


@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("hearer", ["nullcontext", "capture_sigterm"])
def test_a_signal_that_a_destructor_has_swallowed_is_raised_again(
    hearer: str, number: int, code: int
) -> None:
    done, _, err = run_command(
        number,
        f"""
from contextlib import nullcontext
from prefect.utilities.engine import capture_sigterm
class Swallowing:
    def __del__(self):
        hear()
with {hearer}():
    Swallowing()
    time.sleep(60)
""",
    )
    assert done == code
    assert err.startswith("Error: interrupted; nothing is lost")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("number", "code"), CODES)
def test_the_second_signal_ends_at_once(number: int, code: int) -> None:
    done, out, err = run_command(
        number,
        """
try:
    hear()
finally:
    hear()
    print("cleaned up")
""",
    )
    assert (done, out) == (code, "")
    assert err.count("Error: interrupted; nothing is lost") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("import atexit\natexit.register(hear)", id="while threads are waited for"),
        pytest.param(
            """
class Last:
    def __del__(self, kill=os.kill, pid=os.getpid(), number={number}):
        kill(pid, number)
global last
last = Last()
""",
            id="while Python takes itself down",
        ),
    ],
)
def test_a_signal_after_the_end_changes_nothing(body: str, number: int) -> None:
    text = body.format(number=int(number)) + "\nprint('done')"
    assert run_command(number, text) == (0, "done\n", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_watch_succeeds(number: int) -> None:
    done, out, err = run_command(
        number,
        """
with until_interrupted():
    try:
        hear()
    except KeyboardInterrupt:
        pass  # as a flow run does that is just ending
    assert is_interrupted()
    raise RuntimeError("what was under way")
print("given back")
""",
    )
    assert (done, out, err) == (0, "given back\n", "")


def test_an_error_of_a_watch_without_an_interruption_stays_an_error() -> None:
    body = """
from domain.kernel.errors import FinalError
with until_interrupted():
    raise FinalError("the cluster is gone")
"""
    assert run_command(signal.SIGINT, body) == (1, "", "Error: the cluster is gone\n")
