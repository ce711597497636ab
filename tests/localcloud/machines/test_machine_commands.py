"""Commands of a machine that are interrupted: killed, or ended with the machine."""

import asyncio
from pathlib import Path

import asyncssh
import pytest

from localcloud.clock import WallClock
from localcloud.parts import Component
from tests.localcloud.machines.machine_lab import Lab, make_machine_spec, open_lab, run

WAITS_FOR_LOCK = "apt-get -q -y -o DPkg::Lock::Timeout=3000 install conntrack"


class HeldClock(WallClock):
    """A fast clock that can hold its sleepers, and signals when there is one."""

    def __init__(self) -> None:
        self.is_held = False
        self.has_sleeper = asyncio.Event()
        self.sleep_was_broken = asyncio.Event()

    async def sleep(self, seconds: float, /) -> None:
        if self.is_held:
            self.has_sleeper.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.sleep_was_broken.set()
        await asyncio.sleep(seconds / 40)


async def start_waiting(lab: Lab) -> asyncssh.SSHClientConnection:
    """Start an installation that waits for dpkg's lock."""
    await lab.machines.fail("i-one", Component.PACKAGES)
    connection = await lab.connect()
    process = await connection.create_process(WAITS_FOR_LOCK)
    assert "Waiting for cache lock" in await process.stderr.readline()
    return connection


async def is_installed(lab: Lab, package: str) -> bool:
    """Run a second installation: if the first had continued, it would be done before."""
    await lab.machines.recover("i-one", Component.PACKAGES)
    second = await lab.run("apt-get -q -y install ethtool")
    assert second.exit_status == 0, second.stderr
    return (await lab.run(f"dpkg-query -W {package}")).exit_status == 0


def test_a_command_that_is_killed_does_nothing_more(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path, HeldClock()) as lab:
            machine = await lab.boot(make_machine_spec())
            await start_waiting(lab)
            [running] = machine.ssh.processes
            running.kill()
            assert await running.wait() < 0
            assert not await is_installed(lab, "conntrack")

    run(story())


def test_a_command_ends_with_its_machine(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path, HeldClock()) as lab:
            await lab.boot(make_machine_spec())
            await start_waiting(lab)
            await lab.machines.halt("i-one")
            await lab.machines.recover("i-one", Component.PACKAGES)
            await lab.boot(make_machine_spec())
            assert not await is_installed(lab, "conntrack")

    run(story())


def test_apt_get_killed_at_work_leaves_dpkg_to_be_repaired(tmp_path: Path) -> None:
    async def story() -> None:
        clock = HeldClock()
        async with open_lab(tmp_path, clock) as lab:
            machine = await lab.boot(make_machine_spec())
            connection = await lab.connect()
            clock.is_held = True
            process = await connection.create_process("apt-get -q -y install conntrack")
            await clock.has_sleeper.wait()
            [running] = machine.ssh.processes
            running.kill()
            await clock.sleep_was_broken.wait()
            clock.is_held = False
            await process.wait()

            refused = await lab.run("apt-get -q -y install conntrack")
            assert refused.exit_status == 100
            assert "dpkg was interrupted" in str(refused.stderr)
            assert (await lab.run("dpkg --configure -a")).exit_status == 0
            assert (await lab.run("apt-get -q -y install conntrack")).exit_status == 0

    run(story())


def test_a_long_argument_arrives(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            done = await lab.run('hostnamectl "$(printf %0100000d 7)"')
            assert done.exit_status == 2
            assert "does not know" in str(done.stderr)

    run(story())


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("uname --kernel-version", id="a flag"),
        pytest.param("nproc 4", id="a word"),
        pytest.param("systemctl hibernate", id="a verb"),
        pytest.param("kubectl apply -f x --dry-run=client", id="an option of another verb"),
        pytest.param("kubectl create -f x --dry-run=client", id="an option of another form"),
        pytest.param("kubeadm init --dry-run --config x", id="a flag of kubeadm"),
        pytest.param("curl -X POST https://mirrors.aliyun.com/", id="an option"),
        pytest.param("ssh-keygen -t rsa -f x", id="a value"),
    ],
)
def test_a_stand_in_refuses_unknown_arguments_over_ssh(tmp_path: Path, command: str) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            machine = await lab.boot(make_machine_spec())
            await machine.add_packages({"kubectl": "1.36.4-1.1", "kubeadm": "1.36.4-1.1"})
            done = await lab.run(command)
            assert done.exit_status == 2
            assert "does not know" in str(done.stderr)

    run(story())


def test_units_that_do_not_exist_have_an_exit_code_of_their_own(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            active = await lab.run("systemctl is-active fire")
            enabled = await lab.run("systemctl is-enabled fire")
            assert (active.stdout, active.exit_status) == ("inactive\n", 4)
            assert (enabled.stdout, enabled.exit_status) == ("not-found\n", 4)

    run(story())


def test_a_login_has_the_variables_of_the_system_but_no_other_search_path(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            file = lab.disk("i-one") / "etc/environment"
            file.write_text('PATH="/bin"\nhttps_proxy=http://192.0.2.1:3128\n# a comment\n')
            shown = str((await lab.run("env")).stdout)
            assert "https_proxy=http://192.0.2.1:3128\n" in shown
            assert "PATH=/bin\n" not in shown

    run(story())
