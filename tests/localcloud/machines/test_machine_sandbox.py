"""What scripts on a machine can and cannot access."""

import asyncio
import os
from pathlib import Path

import pytest

from localcloud.machines.landlock import find_version
from localcloud.machines.sandbox import TOOLS
from tests.localcloud.machines.machine_lab import make_machine_spec, open_lab, run

needs_landlock = pytest.mark.skipif(not find_version(), reason="this kernel has no Landlock")


@needs_landlock
def test_nothing_outside_the_disk_can_be_written(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path / "cloud") as lab:
            await lab.boot(make_machine_spec())
            outside = tmp_path / "outside"
            outside.mkdir()
            (outside / "kept").write_text("kept")
            for attempt in (
                f"echo x > {outside}/new",
                f"rm {outside}/kept",
                f"mv {outside}/kept $SYSROOT/tmp/",
                f"/usr/bin/env touch {outside}/new",
                f"mkdir {outside}/folder",
                f": > {outside}/kept",
            ):
                assert (await lab.run(attempt)).exit_status != 0, attempt
            assert os.listdir(outside) == ["kept"]
            assert (outside / "kept").read_text() == "kept"

    run(story())


def test_absolute_path_of_cat_means_the_machine_where_it_has_such_a_file(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            spec = make_machine_spec()
            await lab.boot(spec)
            done = await lab.run("cat /etc/qingcloud/instance-id; echo own | cat; cat /dev/null")
            assert str(done.stdout) == f"{spec.instance_id}\nown\n"

    run(story())


@needs_landlock
def test_the_guard_lets_scripts_write_where_they_may(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            script = """
            cat > "$SYSROOT/etc/here" <<< 'a here-document'
            mktemp >/dev/null && echo quiet > /dev/null
            mkdir -p "$SYSROOT/a/b" && mv "$SYSROOT/etc/here" "$SYSROOT/a/b/"
            cat "$SYSROOT/a/b/here"
            """
            done = await lab.run(script)
            assert (done.stdout, done.stderr) == ("a here-document\n", "")

    run(story())


def test_only_stand_ins_and_harmless_tools_are_found_by_name(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec())
            for name in ("python3", "ssh", "mount", "reboot", "git", "kubectl"):
                assert (await lab.run(f"command -v {name}")).exit_status != 0, name
            for name in ("systemctl", "apt-get", "swapoff", "ip"):
                found = Path(str((await lab.run(f"command -v {name}")).stdout).strip())
                assert found.is_relative_to(machine.context.disk.parent), name
            assert not {"systemctl", "apt-get", "id", "sudo", "curl"} & set(TOOLS)

    run(story())


def test_the_environment_of_the_daemon_is_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAEMON_SECRET", "hidden")

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            assert "hidden" not in str((await lab.run("env")).stdout)

    run(story())


def test_a_stand_in_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            for command in (
                "systemctl frobnicate", "apt-get dist-upgrade", "ip netns add x", "uname --weird",
                "iptables -F", "timedatectl frobnicate", "hostnamectl set-deployment x",
            ):  # fmt: skip
                done = await lab.run(command)
                assert done.exit_status != 0, command
                assert "does not know" in str(done.stderr), command

    run(story())


def test_a_stand_in_leaves_the_input_of_a_loop(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            loop = "while read -r line; do uname -m >/dev/null; echo got $line; done"
            done = await lab.run(loop, stdin="one\ntwo\n")
            assert done.stdout == "got one\ngot two\n"

    run(story())


def test_the_secret_of_another_machine_is_refused(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec())
            stub = machine.context.commands / ".stub"
            forged = lab.disk("i-one") / "tmp/uname"
            lines = stub.read_text().splitlines()
            forged.write_text(
                "\n".join(
                    line.replace(line.split()[2], "0" * 32) if "printf '%s\\0'" in line else line
                    for line in lines
                )
            )
            forged.chmod(0o755)
            done = await lab.run('"$SYSROOT/tmp/uname"')
            assert (done.stdout, done.exit_status) == ("", 255)

    run(story())


def test_processes_of_a_halted_machine_have_ended(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec())
            connection = await lab.connect()
            process = await connection.create_process("echo started; sleep 600")
            await process.stdout.readline()
            [running] = machine.ssh.processes
            await lab.machines.halt("i-one")
            assert await asyncio.wait_for(running.wait(), 10) < 0
            with pytest.raises(ConnectionRefusedError):
                await lab.connect()

    run(story())
