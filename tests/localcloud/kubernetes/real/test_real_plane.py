"""The real engine's start, connections and stop, with stand-ins for its programs."""

import asyncio
import os
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from localcloud.clock import WallClock
from localcloud.fabric import Fabric
from localcloud.kubernetes.access.tls import client_tls
from localcloud.kubernetes.client import MASTERS, ApiFailure, User
from localcloud.kubernetes.client.https import Address, HttpsClient
from localcloud.kubernetes.planes import Planes, erase_objects
from localcloud.kubernetes.real.assets import PROGRAMS, find_assets
from localcloud.kubernetes.real.identity import issue
from localcloud.kubernetes.real.plane import PlaneFailed, RealPlane
from localcloud.profiles import PROFILES
from tests.localcloud.kubernetes.sample_cluster import MASTER, VPC, plane_config
from tests.loopback_door import LoopbackDoor

ROOT = Path(__file__).parents[4]
API_SERVER = Path(__file__).with_name("stand_in_apiserver.py")
SLEEP = "#!/bin/sh\nexec sleep 600\n"


@pytest.fixture
def assets(tmp_path) -> Path:
    """A folder of programs: an API server, and three without a function."""
    folder = tmp_path / "assets"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).write_text(SLEEP)
        (folder / name).chmod(0o755)
    (folder / "kube-apiserver").write_text(
        f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {API_SERVER} "$@"\n'
    )
    return folder


def make_plane(assets: Path, fabric: Fabric) -> RealPlane:
    config = plane_config(fabric, assets.parent / "machine/cluster.db")
    found = find_assets({"KUBEBUILDER_ASSETS": str(assets)})
    plane = Planes(WallClock(), PROFILES["instant"], assets=found).create(config)
    assert isinstance(plane, RealPlane)
    return plane


@asynccontextmanager
async def started(assets: Path, fabric: Fabric):
    plane = make_plane(assets, fabric)
    await plane.start()
    try:
        yield plane
    finally:
        await plane.stop()


def running_below(folder: Path) -> list[str]:
    """Return the command lines of processes that name a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode().split("\0")
        except OSError:
            continue
        if any(str(folder) in word for word in words) and str(os.getpid()) != entry.parent.name:
            found.append(" ".join(words))
    return found


def test_a_started_plane_has_system_objects_and_identifies_its_clients(assets):
    async def story() -> None:
        async with started(assets, Fabric()) as plane:
            assert plane.is_running
            api = plane.client(MASTERS)
            info = await api.request(
                "GET", "/api/v1/namespaces/kube-public/configmaps/cluster-info"
            )
            assert MASTER in info["data"]["kubeconfig"]
            visitor = plane.client(User("visitor", ("guests",)))
            with pytest.raises(ApiFailure, match='User "visitor" cannot list resource "pods"'):
                await visitor.request("GET", "/api/v1/pods")
            assert plane.client(MASTERS) is api
        assert not plane.is_running

    asyncio.run(story())
    assert running_below(assets.parent) == []


def test_clients_reach_a_restarted_plane(assets):
    async def story() -> None:
        async with started(assets, Fabric()) as plane:
            api = plane.client(MASTERS)
            await plane.stop()
            with pytest.raises(ApiFailure) as refused:
                await api.request("GET", "/readyz")
            assert refused.value.status == 503
            await plane.start()
            assert await api.request("GET", "/readyz") == "ok"

    asyncio.run(story())


def test_connections_from_the_private_network_reach_the_api_server(assets):
    async def story() -> None:
        fabric = Fabric()
        async with started(assets, fabric) as plane:
            fabric.listen(VPC, MASTER, 6443, plane.accept)

            listener = LoopbackDoor(lambda: fabric.dial(VPC, "192.168.100.9", MASTER, 6443))
            port = await listener.open()
            pair = issue(plane.config, User("jane", ("system:masters",)), WallClock().now())
            tls = client_tls(plane.config.ca_certificate, pair)
            client = HttpsClient(lambda: Address("127.0.0.1", port, MASTER), tls)
            assert await client.request("GET", "/readyz") == "ok"
            await client.close()
            await listener.close()
        near, far = socket.socketpair()
        plane.accept(far, "192.168.100.9")  # a stopped plane closes the connection
        assert near.recv(1) == b""
        near.close()

    asyncio.run(story())


def test_a_plane_that_does_not_become_ready_stops_its_programs(assets):
    (assets / "kube-apiserver").write_text(SLEEP)
    config = plane_config(Fabric(), assets.parent / "machine/cluster.db")
    found = find_assets({"KUBEBUILDER_ASSETS": str(assets)})
    assert found is not None
    folder = assets.parent / "machine/control-plane"
    plane = RealPlane(config, WallClock(), found, folder, patience=0.5)
    with pytest.raises(PlaneFailed, match=r"not ready after 0.5 s.*kube-apiserver.log"):
        asyncio.run(plane.start())
    assert not plane.is_running
    assert running_below(assets.parent) == []


def test_keys_are_readable_by_their_owner_only(assets):
    async def story() -> None:
        async with started(assets, Fabric()):
            pass

    asyncio.run(story())
    [folder] = (assets.parent / "machine").iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    for name in ("ca.key", "apiserver.key", "service-accounts.key", "scheduler.conf"):
        assert (folder / name).stat().st_mode & 0o077 == 0


def test_two_concurrent_starts_start_the_programs_once(assets):
    async def story() -> None:
        plane = make_plane(assets, Fabric())
        try:
            await asyncio.gather(plane.start(), plane.start())
            running = running_below(assets.parent)
        finally:
            await plane.stop()
        assert sum(API_SERVER.name in line for line in running) == 1

    asyncio.run(story())
    assert running_below(assets.parent) == []


def test_data_of_a_plane_is_erased_with_its_machine(assets):
    async def story() -> RealPlane:
        async with started(assets, Fabric()) as plane:
            pass
        return plane

    plane = asyncio.run(story())
    assert plane.config.data is not None
    erase_objects(plane.config.data)
    assert list((assets.parent / "machine").iterdir()) == []
    erase_objects(plane.config.data)  # already erased, which is accepted


def test_a_plane_in_a_deep_folder_starts(assets):
    deep = assets.parent / ("deep/" * 30)
    deep.mkdir(parents=True)
    assets = assets.rename(deep / "assets")

    async def story() -> None:
        async with started(assets, Fabric()) as plane:
            assert await plane.client(MASTERS).request("GET", "/readyz") == "ok"

    asyncio.run(story())
