"""The demo on a real control plane, where KUBEBUILDER_ASSETS names its programs.

With the variable set, the local cloud's masters boot the same programs, so that every other
acceptance test runs on them, too.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from localcloud.clock import WallClock
from localcloud.fabric import Fabric
from localcloud.kubernetes.planes import Planes
from localcloud.kubernetes.real.assets import VARIABLE, find_assets
from localcloud.profiles import PROFILES
from tests.acceptance.random_pods import add_nodes, find_disagreements
from tests.localcloud.kubernetes.sample_cluster import (
    SampleCluster,
    plane_config,
    replication_controller,
    run,
    service,
    until,
)

pytestmark = pytest.mark.skipif(
    not os.environ.get(VARIABLE), reason=f"{VARIABLE} names no folder of Kubernetes programs"
)


@asynccontextmanager
async def real_cluster(folder: Path) -> AsyncIterator[SampleCluster]:
    fabric, clock = Fabric(), WallClock()
    assets = find_assets(os.environ)
    plane = Planes(clock, PROFILES["instant"], assets=assets).create(
        plane_config(fabric, folder / "cluster.db")
    )
    await plane.start()
    cluster = SampleCluster(plane, fabric, clock)
    try:
        yield cluster
    finally:
        for kubelet in cluster.kubelets.values():
            await kubelet.stop()
        await plane.stop()


def test_the_demo_runs_and_its_page_answers_through_the_api_server(tmp_path: Path) -> None:
    async def story() -> None:
        async with real_cluster(tmp_path) as cluster:
            for number in (1, 2):
                await cluster.add_node(f"worker-{number}")
            await cluster.install_network()
            await cluster.nodes_are_ready(2)
            place = "/api/v1/namespaces/default"
            demo = replication_controller("nginx", 3)
            await cluster.create(f"{place}/replicationcontrollers", demo)
            await cluster.create(f"{place}/services", service("nginxservice", "nginx"))
            await cluster.phases_are(Running=3)

            async def answers() -> bool:
                found = await cluster.items(f"{place}/endpoints")
                subsets = [one.get("subsets") for one in found]
                return any(subsets)

            await until(answers)
            page = await cluster.api.request("GET", f"{place}/services/nginxservice/proxy/")
            assert "nginx" in page

    run(story())


def test_a_burst_waits_for_room_until_a_further_node_has_it(tmp_path: Path) -> None:
    async def story() -> None:
        async with real_cluster(tmp_path) as cluster:
            for number in (1, 2):
                await cluster.add_node(f"worker-{number}", pods=5)
            await cluster.install_network()
            await cluster.nodes_are_ready(2)
            place = "/api/v1/namespaces/default/replicationcontrollers"
            await cluster.create(place, replication_controller("nginx", 12))
            await cluster.phases_are(Running=8, Pending=4)  # one place each is the network's
            await cluster.add_node("worker-3", pods=5)
            await cluster.phases_are(Running=12)

    run(story())


@pytest.mark.timeout(900)  # each pod costs several answers of real programs
def test_packing_finds_room_for_a_pod_where_the_scheduler_does(tmp_path: Path) -> None:
    async def story() -> None:
        async with real_cluster(tmp_path) as cluster:
            await add_nodes(cluster)
            assert await find_disagreements(cluster, seed=7, count=2000) == []

    run(story())
