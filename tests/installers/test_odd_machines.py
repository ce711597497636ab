"""Installers on machines with uncommon images."""

import asyncio
from pathlib import Path

from localcloud.parts import Component
from tests.localcloud.machines.machine_lab import (
    MASTER,
    NODE_SCRIPT,
    Lab,
    make_machine_spec,
    node_settings,
    open_lab,
    run,
)


async def install(lab: Lab) -> None:
    done = await lab.install(NODE_SCRIPT, node_settings(NODE_IP=MASTER), "install")
    assert done.exit_status == 0, done.stderr


def test_an_image_setting_unknown_to_the_kernel_is_harmless(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            folder = lab.disk("i-one") / "etc/sysctl.d"
            (folder / "50-image.conf").write_text("net.ipv4.tcp_tw_recycle = 1\n")
            await install(lab)

    run(story())


def test_forwarding_stays_on_over_a_reboot_whatever_the_image_sets(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            folder = lab.disk("i-one") / "etc/sysctl.d"
            (folder / "99-sysctl.conf").write_text("net.ipv4.ip_forward = 0\n")
            await install(lab)
            await lab.machines.halt("i-one")
            await lab.boot(make_machine_spec())
            assert (await lab.run("sysctl -n net.ipv4.ip_forward")).stdout == "1\n"

    run(story())


def test_a_swap_unit_of_its_own_is_masked(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            await install(lab)
            assert (await lab.run("systemctl is-enabled dev-vdb.swap")).stdout == "masked\n"

    run(story())


def test_packages_do_not_move_with_an_upgrade_of_the_system(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec(system="rocky 9"))
            await install(lab)
            for package in ("kubelet", "containerd.io"):
                done = await lab.run(f"dnf -y install {package}")
                assert "excluded" in str(done.stderr), package
            await lab.boot(make_machine_spec("i-two", "192.168.0.3"))
            place = {"instance_id": "i-two", "address": "192.168.0.3"}
            await lab.install(NODE_SCRIPT, node_settings(), "install", **place)
            done = await lab.run("apt-get -y install containerd.io=2.2.*", "192.168.0.3")
            assert "Held packages" in str(done.stderr)

    run(story())


def test_updates_of_the_first_boot_are_waited_for_however_often_it_takes(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            lab.shorten_pauses()
            await lab.machines.fail("i-one", Component.PACKAGES)
            lab.place_installers("i-one")
            settings = node_settings(NODE_IP=MASTER)
            command = lab.installation(NODE_SCRIPT, settings, "install")
            process = await (await lab.connect()).create_process(command)
            waits = 0
            while waits < 8:
                line = await process.stdout.readline()
                assert line, await process.stderr.read()
                waits += line.startswith("waiting for the program that holds the package lists")
            await lab.machines.recover("i-one", Component.PACKAGES)
            done = await asyncio.wait_for(process.wait(), 60)
            assert done.exit_status == 0, done.stderr

    run(story())
