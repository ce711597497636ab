"""Programs beside the daemon: started again when they end, stopped by their process id."""

import asyncio
import os
import sys

import pytest

from localcloud.kubernetes.real import processes
from localcloud.kubernetes.real.processes import Program
from tests.localcloud.kubernetes.sample_cluster import until

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPER


def python(script: str) -> list[str]:
    return [sys.executable, "-c", script]


async def has_lines(path, count: int) -> None:
    async def holds() -> bool:
        return path.exists() and len(path.read_text().splitlines()) >= count

    await until(holds, 10)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


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
        await program.stop()  # a second stop finds nothing to do

    asyncio.run(story())


def test_a_program_that_ends_by_itself_is_started_again(tmp_path):
    async def story() -> None:
        program = Program("brief", python("print('up')"), tmp_path / "log", pause=0.01)
        await program.start()
        await has_lines(tmp_path / "log", 3)
        await program.stop()

    asyncio.run(story())


def test_a_program_that_does_not_end_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "GRACE", 0.1)

    async def story() -> None:
        program = Program("stubborn", python(STUBBORN), tmp_path / "log")
        await program.start()
        await has_lines(tmp_path / "log", 1)
        pid = program.pid
        await program.stop()
        assert pid is not None
        assert not is_alive(pid)

    asyncio.run(story())


def test_a_program_that_is_not_there_fails_at_once(tmp_path):
    program = Program("nobody", [str(tmp_path / "nobody")], tmp_path / "log")
    with pytest.raises(FileNotFoundError):
        asyncio.run(program.start())
