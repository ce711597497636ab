"""Files on machines: modes, atomic writes, as root and through sudo."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.ssh import SshMachine
from domain.kernel.errors import FinalError, TemporaryError
from tests.clients.ssh.ssh_servers import Loop, Process, Server

SUDO = """#!/bin/bash
shift 2
exec "$@"
"""


@pytest.fixture(params=["root", "ubuntu"])
def user(request: pytest.FixtureRequest, server: Server) -> str:
    sudo: Path = server.folder / "bin" / "sudo"
    sudo.parent.mkdir()
    sudo.write_text(SUDO)
    sudo.chmod(0o755)
    name: str = request.param
    return name


def test_a_file_comes_back_as_it_was_written(server: Server, user: str) -> None:
    content = bytes(range(256)) * 1000
    with SshMachine.connect(server.target(user)) as machine:
        machine.write_file("/etc/kubernetes/pki/ca.key", content, 0o600)
    assert (server.folder / "etc/kubernetes/pki/ca.key").read_bytes() == content


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755])
def test_a_file_has_the_mode_that_was_asked_for(server: Server, user: str, mode: int) -> None:
    with SshMachine.connect(server.target(user)) as machine:
        machine.write_file("/opt/install.sh", b"true\n", mode)
    assert stat.S_IMODE((server.folder / "opt/install.sh").stat().st_mode) == mode


def test_a_file_is_replaced_and_nothing_is_left_beside_it(server: Server, user: str) -> None:
    with SshMachine.connect(server.target(user)) as machine:
        machine.write_file("/opt/a", b"old, and longer", 0o644)
        machine.write_file("/opt/a", b"new", 0o600)
    assert [path.name for path in (server.folder / "opt").iterdir()] == ["a"]
    assert (server.folder / "opt/a").read_bytes() == b"new"


def test_folder_at_the_path_is_a_final_error_and_no_file_is_left(server: Server, user: str) -> None:
    (server.folder / "opt/a/b").mkdir(parents=True)
    with SshMachine.connect(server.target(user)) as machine, pytest.raises(FinalError):
        machine.write_file("/opt/a/b/../../a", b"x", 0o600)
    assert [path.name for path in (server.folder / "opt").rglob("*")] == ["a", "b"]


def test_writing_over_a_lost_connection_is_temporary(
    make_server: Callable[[], Server], loop: Loop
) -> None:
    server = make_server()
    with SshMachine.connect(server.target()) as machine:
        loop.drop_connections(server)
        with pytest.raises(TemporaryError):
            machine.write_file("/opt/a", b"x", 0o600)


def test_a_file_that_arrives_cut_short_does_not_replace_the_old_one(server: Server) -> None:
    async def cut_short(process: Process) -> None:
        """Pass only the first bytes of the input on, as a connection that breaks does."""
        await server.run_bash(process, (await process.stdin.read())[:100])

    (server.folder / "opt").mkdir()
    (server.folder / "opt/ca.key").write_bytes(b"the whole old key")
    server.programs["bash"] = cut_short
    with (
        SshMachine.connect(server.target()) as machine,
        pytest.raises(FinalError, match=r"/opt/ca\.key.*what arrived is not what was sent"),
    ):
        machine.write_file("/opt/ca.key", b"k" * 1000, 0o600)
    assert [path.name for path in (server.folder / "opt").iterdir()] == ["ca.key"]
    assert (server.folder / "opt/ca.key").read_bytes() == b"the whole old key"
