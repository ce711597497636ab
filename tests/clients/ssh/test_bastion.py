"""The way to a master through a bastion, with the real program ssh."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from clients.ssh import SshMachine
from clients.ssh.bastion import find_bastion
from domain.kernel.errors import TemporaryError
from tests.clients.ssh.ssh_servers import Server

CONFIG = """
Host 203.0.113.*
    ProxyJump me@bastion.example

Host 203.0.114.7
    ProxyJump none

Host *
    User somebody
"""


@pytest.mark.parametrize(
    ("wanted", "address", "found"),
    [
        ("other.example:2222", "203.0.113.7", "other.example:2222"),
        ("", "203.0.113.7", "me@bastion.example"),
        ("", "203.0.114.7", ""),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_wanted_bastion_comes_before_that_of_the_ssh_config(
    wanted: str, address: str, found: str, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(CONFIG)
    assert find_bastion(wanted, address, tmp_path / "config") == found
    assert find_bastion(wanted, address, tmp_path / "none") == wanted


@pytest.fixture
def own_ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real ssh, with a configuration of the test's own in place of the user's."""
    real = shutil.which("ssh")
    if real is None:
        pytest.skip("no ssh on PATH")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "ssh"
    program.write_text(f'#!/bin/sh\nexec {real} -F {tmp_path}/config "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return tmp_path


@pytest.fixture
def other_server(make_server: Callable[[], Server]) -> Server:
    return make_server()


def trust(folder: Path, bastion: Server) -> None:
    """Let the user know the bastion's key, and log in there with the test's."""
    (folder / "key").touch(0o600)
    (folder / "key").write_text(bastion.login.private_key)
    (folder / "known").write_text(f"[127.0.0.1]:{bastion.port} {bastion.host_key.public_key}\n")
    (folder / "config").write_text(
        f"Host *\n  IdentityFile {folder}/key\n  UserKnownHostsFile {folder}/known\n"
        "  IdentitiesOnly yes\n"
    )


def test_a_machine_is_reached_through_the_bastion(
    own_ssh: Path, server: Server, other_server: Server
) -> None:
    trust(own_ssh, other_server)
    bastion = f"me@127.0.0.1:{other_server.port}"
    with SshMachine.connect(server.target(bastion=bastion)) as machine:
        assert machine.run(["echo", "there"], deadline=20).stdout == "there\n"
    assert other_server.tunnels == [("127.0.0.1", server.port)]


def test_a_bastion_that_the_user_does_not_know_is_refused_with_the_words_of_ssh(
    own_ssh: Path, server: Server, other_server: Server
) -> None:
    trust(own_ssh, other_server)
    (own_ssh / "known").write_text("")
    bastion = f"me@127.0.0.1:{other_server.port}"
    with pytest.raises(TemporaryError, match=r"through the bastion me@.*Host key verification"):
        SshMachine.connect(server.target(bastion=bastion))
    assert server.connections == []
