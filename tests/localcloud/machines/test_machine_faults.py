"""Injected failures of machines, as users of their cluster see them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncssh

from localcloud.kubernetes.client import MASTERS
from localcloud.parts import Component
from tests.localcloud.machines.machine_lab import (
    MASTER,
    NODE,
    Lab,
    make_machine_spec,
    master_settings,
    node_settings,
    open_lab,
    run,
)

ADMIN = 'export KUBECONFIG="$SYSROOT/etc/kubernetes/admin.conf";'


class HurriedClock:
    """A clock on which forty seconds pass in one."""

    PACE = 40.0

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first = datetime.now(UTC)

    def now(self) -> datetime:
        return self._first + timedelta(seconds=self.PACE * (time.monotonic() - self._began))

    async def sleep(self, seconds: float, /) -> None:
        await asyncio.sleep(seconds / self.PACE)


async def make_cluster(lab: Lab) -> None:
    """A master, and a node that has joined it."""
    await lab.boot(make_machine_spec())
    done = await lab.install("k8s_master_installer.sh", master_settings())
    assert done.exit_status == 0, done.stderr
    await lab.boot(make_machine_spec("i-two", NODE))
    done = await join(lab)
    assert done.exit_status == 0, done.stderr


async def join(lab: Lab) -> asyncssh.SSHCompletedProcess:
    settings = node_settings(
        JOIN_TOKEN=master_settings()["JOIN_TOKEN"], CA_HASH=lab.plane().ca_hash
    )
    return await lab.install("k8s_node_installer.sh", settings, instance_id="i-two", address=NODE)


async def is_ready(lab: Lab, name: str) -> str:
    """Return the status of the node's Ready condition."""
    node = await lab.plane().client(MASTERS).request("GET", f"/api/v1/nodes/{name}")
    (condition,) = [c for c in node["status"]["conditions"] if c["type"] == "Ready"]
    return str(condition["status"])


async def eventually(look: Callable[[], Awaitable[bool]]) -> None:
    while not await look():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.02)


def test_node_without_its_kubelet_becomes_not_ready_and_recovers(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path, HurriedClock()) as lab:
            await make_cluster(lab)
            await lab.machines.fail("i-two", Component.KUBELET)

            async def is_lost() -> bool:
                return await is_ready(lab, "k8s-node-two") == "Unknown"

            async def is_back() -> bool:
                return await is_ready(lab, "k8s-node-two") != "Unknown"

            await eventually(is_lost)
            assert (await lab.run("true", NODE)).exit_status == 0
            await lab.machines.recover("i-two", Component.KUBELET)
            await eventually(is_back)

    run(story())


def test_api_server_stops_and_keeps_its_objects_when_it_recovers(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await make_cluster(lab)
            await lab.machines.fail("i-one", Component.API_SERVER)
            gone = await lab.run(f"{ADMIN} kubectl get nodes")
            assert "was refused" in str(gone.stderr)
            await lab.machines.recover("i-one", Component.API_SERVER)
            back = await lab.run(f"{ADMIN} kubectl get nodes")
            assert "k8s-node-two" in str(back.stdout), back.stderr

    run(story())


def test_machine_without_a_kubelet_boots_and_never_joins(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.machines.fail("i-two", Component.KUBELET)
            await lab.boot(make_machine_spec())
            done = await lab.install("k8s_master_installer.sh", master_settings())
            assert done.exit_status == 0, done.stderr
            await lab.boot(make_machine_spec("i-two", NODE))
            refused = await join(lab)
            assert refused.exit_status != 0
            assert "The kubelet is not healthy" in str(refused.stderr) + str(refused.stdout)
            await lab.machines.recover("i-two", Component.KUBELET)
            joined = await join(lab)
            assert joined.exit_status == 0, joined.stderr

    run(story())


def test_component_stays_failed_through_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await make_cluster(lab)
            await lab.machines.fail("i-one", Component.API_SERVER)
            await lab.machines.halt("i-one")
            await lab.machines.boot(make_machine_spec())
            gone = await lab.run(f"{ADMIN} kubectl get nodes")
            assert "was refused" in str(gone.stderr)
            await lab.machines.recover("i-one", Component.API_SERVER)
            back = await lab.run(f"{ADMIN} kubectl get nodes")
            assert "k8s-master-one" in str(back.stdout), back.stderr

    run(story())


def test_installer_waits_for_the_package_lock(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.machines.fail("i-one", Component.PACKAGES)
            await lab.boot(make_machine_spec())
            impatient = await lab.run("apt-get -y install ethtool")
            assert impatient.exit_status == 100
            assert "Could not get lock" in str(impatient.stderr)
            settings = node_settings(NODE_IP=MASTER)
            installing = asyncio.ensure_future(
                lab.install("k8s_node_installer.sh", settings, "install")
            )
            # It cannot install packages while the lock is held.
            done, _ = await asyncio.wait({installing}, timeout=1.5)
            assert not done
            await lab.machines.recover("i-one", Component.PACKAGES)
            installed = await installing
            assert installed.exit_status == 0, installed.stderr

    run(story())
