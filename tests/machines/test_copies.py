"""Files copied to a machine that cannot take them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from domain.kernel.errors import FinalError, TemporaryError
from tests.machines.machine import Machine

SMALL = "/srv/small"
OLD, NEW = b"whole\n", b"n" * 300_000


@contextmanager
def small_disk(machine: Machine) -> Iterator[None]:
    """A disk of 128 KiB, of which half is used."""
    machine.run(f"mkdir -p {SMALL} && mount -t tmpfs -o size=128k small {SMALL}")
    machine.run(f"head -c 65536 /dev/zero > {SMALL}/used && printf 'whole\\n' > {SMALL}/file")
    try:
        yield
    finally:
        machine.run(f"umount --lazy {SMALL}")


@pytest.mark.parametrize("user", ["root", "admin"])
def test_a_full_disk_is_named_and_the_old_file_kept(shared: Machine, user: str) -> None:
    with small_disk(shared), shared.connect(user) as shell:
        with pytest.raises(FinalError, match=r"/srv/small/file on .*No space left on device"):
            shell.write_file(f"{SMALL}/file", NEW, 0o600)
        assert shared.run(f"cat {SMALL}/file").encode() == OLD
        assert shared.run(f"ls -A {SMALL}").split() == ["file", "used"]


def test_a_disk_that_is_read_only_is_named(shared: Machine) -> None:
    with small_disk(shared), shared.connect() as shell:
        shared.run(f"mount -o remount,ro {SMALL}")
        with pytest.raises(FinalError, match="Read-only file system"):
            shell.write_file(f"{SMALL}/file", OLD * 2, 0o600)
        assert shared.run(f"cat {SMALL}/file").encode() == OLD


@pytest.mark.parametrize("user", ["root", "admin"])
def test_a_file_arrives_whole_with_its_mode(shared: Machine, user: str) -> None:
    with shared.connect(user) as shell:
        shell.write_file("/srv/new/folder/file", NEW, 0o640)
        assert shared.run("stat -c '%a %U %s' /srv/new/folder/file").split() == [
            "640", "root", str(len(NEW)),
        ]  # fmt: skip
        shared.run("rm -r /srv/new")


def test_a_connection_that_is_lost_in_a_copy_keeps_the_old_file(shared: Machine) -> None:
    shared.run("echo whole >/srv/copied")
    with shared.connect() as shell, ThreadPoolExecutor(1) as pool:
        copying = pool.submit(shell.write_file, "/srv/copied", bytes(100_000_000), 0o600)
        shared.run("until [[ -s $(echo /srv/copied.*.part) ]]; do sleep 0.02; done")
        shell.close()
        with pytest.raises(TemporaryError):
            copying.result()
    shared.run("while ls /srv/copied.*.part; do sleep 0.05; done")
    assert shared.run("cat /srv/copied; rm /srv/copied") == "whole\n"
