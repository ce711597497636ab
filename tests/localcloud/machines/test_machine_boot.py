"""First boot, userdata, power, and what survives it."""

import asyncio
import io
import os
import signal
import tarfile
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from localcloud.machines.disk import OutsideDisk, apply_userdata
from localcloud.parts import Userdata, UserdataKind
from tests.localcloud.machines.machine_lab import LOGIN, make_machine_spec, open_lab, run


def make_tar(files: dict[str, tuple[str, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, (text, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text.encode()), mode
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_a_machine_has_the_system_of_its_image(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec(system="rocky 9"))
            look = '. "$SYSROOT/etc/os-release"; echo "$ID $VERSION_ID"; command -v dnf >/dev/null'
            done = await lab.run(f"{look}; echo $?; command -v apt-get; uname -r; hostname")
            expected = ["rocky", "9", "0", "5.14.0-570.el9.x86_64", "i-one"]
            assert str(done.stdout).split() == expected

    run(story())


def test_a_host_key_from_a_userdata_archive_answers_the_first_connection(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    archive = make_tar(
        {
            "etc/ssh/ssh_host_ed25519_key": (key.export_private_key().decode(), 0o600),
            "etc/rc.local": ('#!/bin/bash\necho boot >> "$SYSROOT/var/log/boots"\n', 0o755),
        }
    )

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec(userdata=Userdata(UserdataKind.TAR, archive, "")))
            connection = await lab.connect()
            seen = connection.get_server_host_key()
            assert seen is not None
            assert seen.export_public_key() == key.export_public_key()
            await lab.wait_for_line("i-one", "var/log/boots", "boot")

    run(story())


def test_an_executable_userdata_runs_at_every_boot(tmp_path: Path) -> None:
    script = b'#!/bin/bash\necho boot >> "$SYSROOT/var/log/boots"\n'

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            spec = make_machine_spec(userdata=Userdata(UserdataKind.EXEC, script, "/etc/rc.local"))
            await lab.boot(spec)
            await lab.wait_for_line("i-one", "var/log/boots", "boot")
            await lab.machines.halt("i-one")
            await lab.boot(spec)
            await lab.wait_for_line("i-one", "var/log/boots", "boot", times=2)

    run(story())


def test_what_a_unit_names_runs_before_ssh_while_rc_local_runs_beside_it(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    script = (
        "#!/bin/bash\n[[ ${1:-} == early ]] || sleep 600\n"
        'cp "$SYSROOT/root/first" "$SYSROOT/etc/ssh/ssh_host_ed25519_key"\n'
    )
    archive = make_tar(
        {
            "root/first": (key.export_private_key().decode(), 0o600),
            "etc/rc.local": (script, 0o755),
            "etc/systemd/system/ssh.service.d/early.conf": (
                "[Service]\nExecStartPre=-/etc/rc.local early\n", 0o644,
            ),
        }
    )  # fmt: skip

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec(userdata=Userdata(UserdataKind.TAR, archive, "")))
            seen = (await lab.connect()).get_server_host_key()
            assert seen is not None
            assert seen.export_public_key() == key.export_public_key()

    run(story())


def test_a_child_that_outlives_rc_local_holds_up_neither_boot_nor_halt(tmp_path: Path) -> None:
    script = b"""#!/bin/bash
setsid sleep 600 &
echo $! > "$SYSROOT/root/pid"
echo begun
"""

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            spec = make_machine_spec(userdata=Userdata(UserdataKind.EXEC, script, "/etc/rc.local"))
            await asyncio.wait_for(lab.boot(spec), 8)
            await lab.wait_for_line("i-one", "var/log/rc.local.log", "begun")
            child = int((lab.disk("i-one") / "root/pid").read_text())
            try:
                await asyncio.wait_for(lab.machines.halt("i-one"), 8)
            finally:
                os.kill(child, signal.SIGKILL)
            assert (lab.disk("i-one") / "var/log/rc.local.log").read_text() == "begun\n"

    run(story())


def test_plain_userdata_is_a_file_and_never_runs(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec(userdata=Userdata(UserdataKind.PLAIN, b"exit 1", "")))
            file = lab.disk("i-one") / "etc/qingcloud/userdata/userdata.string"
            assert file.read_bytes() == b"exit 1"

    run(story())


def test_an_archive_cannot_write_outside_the_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    archive = make_tar({"../outside": ("x", 0o644)})
    with pytest.raises(tarfile.OutsideDestinationError):
        apply_userdata(disk, Userdata(UserdataKind.TAR, archive, ""))
    with pytest.raises(OutsideDisk):
        apply_userdata(disk, Userdata(UserdataKind.EXEC, b"x", "/../outside"))
    assert not (tmp_path / "outside").exists()


def test_userdata_that_cannot_be_read_fails_the_boot_and_leaves_nothing_running(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            broken = Userdata(UserdataKind.TAR, b"no archive", "")
            with pytest.raises(tarfile.TarError):
                await lab.boot(make_machine_spec(userdata=broken))
            await lab.boot(make_machine_spec())
            assert (await lab.run("true")).exit_status == 0

    run(story())


def test_files_packages_and_keys_survive_a_halt(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            await lab.run("apt-get -q -y install ethtool && touch kept && swapoff -a")
            before = (await lab.connect()).get_server_host_key()
            await lab.machines.halt("i-one")
            await lab.boot(make_machine_spec())
            after = (await lab.connect()).get_server_host_key()
            assert before is not None
            assert after is not None
            assert before.public_data == after.public_data
            done = await lab.run('ls; command -v ethtool; wc -l < "$SYSROOT/proc/swaps"')
            assert "kept" in str(done.stdout)
            assert "ethtool" in str(done.stdout)
            # The fstab still names the swap, so the boot has turned it on again.
            assert str(done.stdout).split()[-1] == "2"

    run(story())


def test_a_new_daemon_boots_the_old_machines(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            await lab.run("apt-get -q -y install ethtool")
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            assert (await lab.run("command -v ethtool")).exit_status == 0

    run(story())


def test_a_destroyed_machine_leaves_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            await lab.machines.destroy("i-one")
            await lab.machines.destroy("i-one")
            assert not (tmp_path / "i-one").exists()
            with pytest.raises(ConnectionRefusedError):
                await lab.connect()

    run(story())


def test_a_machine_outside_a_vpc_is_unreachable(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            spec = make_machine_spec()
            spec = replace(spec, vpc="")
            await lab.machines.boot(spec)
            with pytest.raises(ConnectionRefusedError):
                await lab.connect()

    run(story())


def test_bad_lines_in_authorized_keys_are_skipped(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            file = lab.disk("i-one") / "root/.ssh/authorized_keys"
            file.write_text(f"nonsense\n{LOGIN.export_public_key().decode()}\nssh-ed25519 AAAA\n")
            assert (await lab.run("true")).exit_status == 0

    run(story())
