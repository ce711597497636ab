"""Machines with odd images: refused in one sentence before the first package, or handled."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from domain.kernel.errors import CommandFailed, FinalError
from tests.machines.machine import MASTER_SCRIPT, TOKEN, Machine

OS_RELEASE = "/etc/os-release"


@contextmanager
def covered(machine: Machine, path: str, text: str) -> Iterator[None]:
    """Let a file of the system, also one of the kernel's, have another content."""
    machine.run(f"printf '{text}' >/run/cover && touch {path}; mount --bind /run/cover {path}")
    try:
        yield
    finally:
        machine.run(f"umount {path}")


@pytest.mark.parametrize(
    ("release", "sentence"),
    [
        ('ID="centos"\\nVERSION_ID="7"\\n', "CentOS 7 is too old for Kubernetes"),
        ("ID=arch\\n", "arch  is not supported; use Ubuntu"),
    ],
    ids=["CentOS 7", "unknown"],
)
def test_another_system_is_refused(shared: Machine, release: str, sentence: str) -> None:
    with (
        covered(shared, OS_RELEASE, release),
        pytest.raises(CommandFailed, match=sentence) as caught,
    ):
        shared.install(shared.settings(), "install")
    assert caught.value.exit_code == 10
    nothing_was_done(shared)


def test_a_master_with_a_gigabyte_is_refused(shared: Machine) -> None:
    with (
        covered(shared, "/proc/meminfo", "MemTotal: 1000000 kB\\n"),
        pytest.raises(CommandFailed, match="A master needs 2 processors and 1700 MiB"),
    ):
        shared.install(shared.settings(JOIN_TOKEN=TOKEN.value), script=MASTER_SCRIPT)
    nothing_was_done(shared)


def test_a_disk_that_is_read_only_is_refused(shared: Machine) -> None:
    shared.run("mount --bind /opt /opt && mount -o remount,bind,ro /opt")
    try:
        with pytest.raises(FinalError, match="Read-only file system"):
            shared.install(shared.settings(), "install")
    finally:
        shared.run("umount /opt")
    nothing_was_done(shared)


def nothing_was_done(machine: Machine) -> None:
    left = machine.run(
        "ls /etc/modules-load.d /etc/apt/sources.list.d; dpkg-query -W kubeadm || true"
    )
    assert "k8s" not in left
    assert "kube" not in left
