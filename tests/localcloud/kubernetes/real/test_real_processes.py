"""Programs beside the daemon: started again when they end, stopped by their process id."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud.kubernetes.real.processes import Program
from tests.localcloud.kubernetes.sample_cluster import until

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER


STARTER = f"""
import asyncio, sys
from pathlib import Path
from localcloud.kubernetes.real.processes import Program

async def story():
    program = Program("stubborn", [sys.executable, "-c", {STUBBORN!r}], Path(sys.argv[1]))
    await program.start()
    print(program.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(story())
"""


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


async def has_lines(path, count: int) -> None:
    async def holds() -> bool:
        return path.exists() and len(path.read_text().splitlines()) >= count

    await until(holds, 10)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # its new parent has not collected it yet


def test_a_program_runs_until_it_is_stopped(tmp_path):
    async def story() -> None:
        program = Program("sleeper", python(SLEEPER), tmp_path / "log")
        await program.start()
        await has_lines(tmp_path / "log", 1)
        pid = program.pid
        assert pid is not None
        assert is_alive(pid)
        await program.stop()
        assert not is_alive(pid)
        assert program.pid is None
        await program.stop()  # a second stop has no effect

    asyncio.run(story())


def test_a_program_that_ends_by_itself_is_started_again(tmp_path):
    async def story() -> None:
        program = Program("brief", python("print('up')"), tmp_path / "log", pause=0.01)
        await program.start()
        await has_lines(tmp_path / "log", 3)
        await program.stop()

    asyncio.run(story())


def test_a_program_that_does_not_end_is_killed(tmp_path):
    async def story() -> None:
        program = Program("stubborn", python(STUBBORN), tmp_path / "log", grace=0.1)
        await program.start()
        await has_lines(tmp_path / "log", 1)
        pid = program.pid
        await program.stop()
        assert pid is not None
        assert not is_alive(pid)

    asyncio.run(story())


def test_no_program_outlives_a_daemon_that_was_killed(tmp_path):
    """An API server that is only terminated would wait without end for its etcd."""
    daemon = subprocess.Popen(
        [*python(STARTER), str(tmp_path / "log")],
        cwd=Path(__file__).parents[4],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert daemon.stdout is not None
    pid = int(daemon.stdout.readline())
    asyncio.run(has_lines(tmp_path / "log", 1))
    daemon.kill()
    daemon.communicate()

    async def has_ended() -> bool:
        return not is_alive(pid)

    asyncio.run(until(has_ended, 10))


def test_a_missing_program_fails_at_once(tmp_path):
    program = Program("missing", [str(tmp_path / "missing")], tmp_path / "log")
    with pytest.raises(FileNotFoundError):
        asyncio.run(program.start())
