"""Userdata, run under bash in a folder that stands for the machine."""

import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from domain.kernel.errors import HostKeyMismatch
from domain.secrets.hostkeys import MAKE_OWN_HOST_KEY, USE_OWN_HOST_KEY, fingerprint, parse_host_key
from domain.secrets.pki import SshKeyPair, make_ssh_keypair
from domain.secrets.userdata import build_userdata

pytestmark = pytest.mark.local  # bash runs what a machine runs

SYSTEMCTL = """#!/bin/bash
echo "$*" >> "$SYSROOT/systemctl.log"
[[ "$2" == "${SERVICE:-ssh}" ]]
"""

# Hands out what the test has laid ready, under the name that -f asks for.
SSH_KEYGEN = """#!/bin/bash
while [[ $# -gt 0 ]]; do
    if [[ "$1" == -f ]]; then target="$2"; fi
    shift
done
cp "$SYSROOT/made" "$target"
cp "$SYSROOT/made.pub" "$target.pub"
"""

Script = Callable[..., str]


@pytest.fixture(scope="module")
def first() -> SshKeyPair:
    return make_ssh_keypair()


@pytest.fixture
def own() -> SshKeyPair:
    return make_ssh_keypair()


@pytest.fixture
def machine(tmp_path: Path, first: SshKeyPair, own: SshKeyPair) -> Path:
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    for name, text in (("systemctl", SYSTEMCTL), ("ssh-keygen", SSH_KEYGEN)):
        (root / "bin" / name).write_text(text)
        (root / "bin" / name).chmod(0o755)
    (root / "made").write_text(own.private_key)
    (root / "made.pub").write_text(own.public_key + "\n")
    unpack(first, root)
    return root


@pytest.fixture
def run(machine: Path) -> Script:
    def run(script: str, *arguments: str, service: str = "ssh") -> str:
        return subprocess.run(
            ["bash", "-c", script, "script", *arguments],
            env={"PATH": f"{machine}/bin:{os.environ['PATH']}", "SYSROOT": str(machine)}
            | {"SERVICE": service},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    return run


def unpack(key: SshKeyPair, root: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(build_userdata(key))) as archive:
        archive.extractall(root, filter="tar")


def rc_local(machine: Path) -> str:
    return (machine / "etc/rc.local").read_text()


def host_key(machine: Path) -> tuple[str, str]:
    key = machine / "etc/ssh/ssh_host_ed25519_key"
    return key.read_text(), key.with_suffix(".pub").read_text().strip()


def restarts(machine: Path) -> list[str]:
    log = machine / "systemctl.log"
    return log.read_text().splitlines() if log.exists() else []


def test_the_archive_has_the_modes_that_matter(first: SshKeyPair) -> None:
    with tarfile.open(fileobj=io.BytesIO(build_userdata(first))) as archive:
        modes = {entry.name: entry.mode for entry in archive}
    assert modes["etc/rc.local"] == 0o755
    assert modes["etc/k8s-qingcloud/first-host-key"] == 0o600
    assert not [name for name in modes if name.startswith("/")]


def test_the_archive_depends_on_the_key_alone(first: SshKeyPair) -> None:
    assert build_userdata(first) == build_userdata(first)
    assert build_userdata(first) != build_userdata(make_ssh_keypair())


def test_the_archive_holds_no_secret_but_the_first_host_key(first: SshKeyPair) -> None:
    packed = build_userdata(first)
    assert packed.count(b"PRIVATE KEY") == 2  # where it begins and where it ends
    assert first.private_key.encode() in packed


def test_boot_installs_the_first_host_key_and_restarts_ssh(
    machine: Path, run: Script, first: SshKeyPair
) -> None:
    run(rc_local(machine), "start")
    assert host_key(machine) == (first.private_key, first.public_key)
    key = machine / "etc/ssh/ssh_host_ed25519_key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.with_suffix(".pub").stat().st_mode & 0o777 == 0o644
    assert restarts(machine) == ["restart ssh"]


def test_a_machine_whose_service_is_named_sshd_works_too(machine: Path, run: Script) -> None:
    run(rc_local(machine), service="sshd")
    assert restarts(machine) == ["restart ssh", "restart sshd"]


def test_the_start_of_ssh_itself_restarts_nothing(
    machine: Path, run: Script, first: SshKeyPair
) -> None:
    run(rc_local(machine), "before-ssh")
    assert host_key(machine)[1] == first.public_key
    assert restarts(machine) == []


def test_a_second_boot_does_not_install_the_first_key_again(
    machine: Path, run: Script, first: SshKeyPair, own: SshKeyPair
) -> None:
    run(rc_local(machine))
    run(MAKE_OWN_HOST_KEY)
    run(USE_OWN_HOST_KEY)
    unpack(first, machine)  # the cloud unpacks the userdata at every boot
    run(rc_local(machine))
    assert host_key(machine) == (own.private_key, own.public_key)
    assert not list((machine / "etc/k8s-qingcloud").iterdir())


def test_a_machine_generates_its_own_key_once_and_prints_it(
    machine: Path, run: Script, first: SshKeyPair, own: SshKeyPair
) -> None:
    run(rc_local(machine))
    told = parse_host_key(run(MAKE_OWN_HOST_KEY))
    (machine / "made.pub").write_text(make_ssh_keypair().public_key)
    assert told == own.public_key == parse_host_key(run(MAKE_OWN_HOST_KEY))
    assert host_key(machine)[1] == first.public_key  # not in use before our side has saved it


def test_changing_to_the_own_key_can_be_repeated(
    machine: Path, run: Script, own: SshKeyPair
) -> None:
    run(rc_local(machine), "before-ssh")
    run(MAKE_OWN_HOST_KEY)
    run(USE_OWN_HOST_KEY)
    run(USE_OWN_HOST_KEY)
    assert host_key(machine) == (own.private_key, own.public_key)
    assert restarts(machine) == ["restart ssh"]
    assert not list((machine / "var/lib/k8s-qingcloud").glob("next-host-key*"))


def test_a_run_that_was_cut_off_before_the_restart_restarts_when_repeated(
    machine: Path, run: Script, own: SshKeyPair
) -> None:
    run(rc_local(machine), "before-ssh")
    run(MAKE_OWN_HOST_KEY)
    with pytest.raises(subprocess.CalledProcessError):
        run(USE_OWN_HOST_KEY, service="neither")
    run(USE_OWN_HOST_KEY)
    assert host_key(machine) == (own.private_key, own.public_key)
    assert restarts(machine)[-1] == "restart ssh"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        "ssh-ed25519",
        "ssh-ed25519 !!!",
        "ssh-ed25519 AAAA",
        "ssh-rsa {key}",
        "{k}\n{k}",
    ],
)
def test_text_that_is_not_a_public_key_is_not_pinned(line: str, first: SshKeyPair) -> None:
    text = line.format(key=first.public_key.split(" ")[1], k=first.public_key)
    with pytest.raises(HostKeyMismatch, match="not an SSH public key"):
        parse_host_key(text)


def test_a_comment_is_not_pinned(first: SshKeyPair) -> None:
    assert parse_host_key(f"{first.public_key} root@host\n") == first.public_key


def test_a_fingerprint_is_the_one_that_ssh_keygen_shows() -> None:
    line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAII9gnW56o9YvctiedQ3FG8aCc956O4uBXUaJq8eu5aNt"
    assert fingerprint(line) == "SHA256:WwUE8V8sXGu0xXjGt4MORIOYGL75j6yuIUTDHHCOb8U"
