"""Manifests that people use, on a cluster without nodes: the first purchase is exactly enough."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from clients.kubernetes.seen import state_from
from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decision import ScaleOut
from domain.autoscaling.memory.memory import Memory
from domain.autoscaling.see.state import GroupState, take_snapshot
from domain.cloud.records import InstanceType
from domain.spec.cluster import ClusterSpec
from domain.spec.presets import PRESETS
from tests.acceptance.workplace import ROOT
from tests.localcloud.kubernetes.sample_cluster import SampleCluster, run, running_cluster, until

Obj = dict[str, Any]

CASES = ROOT / "tests" / "cases" / "manifests"
FLANNEL = ROOT / "installers" / "manifests" / "flannel.yaml"
IMAGES = {
    "CNI_PLUGIN_IMAGE": "ghcr.io/flannel-io/flannel-cni-plugin:v1",
    "FLANNEL_IMAGE": "ghcr.io/flannel-io/flannel:v0",
}
SMALL = InstanceType("s1.large.r2", 2, 4096, "available")
SPEC = ClusterSpec.model_validate({"nodes": {"count": 0, "maximum": 20}})
NODE_LABELS = {"k8s-qingcloud/group": "k8s-node"}

PLURALS = {
    "Namespace": "/api/v1/namespaces",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
}
"""The paths of the kinds that are applied; roles decide nothing here."""


async def apply(cluster: SampleCluster, text: str) -> None:
    for manifest in yaml.safe_load_all(text):
        if path := PLURALS.get(manifest["kind"]):
            namespace = manifest["metadata"].get("namespace", "default")
            await cluster.create(path.format(namespace), manifest)


async def all_refused(cluster: SampleCluster) -> bool:
    """Whether the scheduler has looked at each pod and found no node."""
    pods = await cluster.items("/api/v1/pods")
    told = [pod["status"].get("conditions", [{}])[0].get("reason") for pod in pods]
    return len(pods) == await wanted_pods(cluster) and set(told) == {"Unschedulable"}


async def wanted_machines(cluster: SampleCluster) -> int:
    """The number of machines that the product buys now."""
    nodes, pods, budgets, daemon_sets = [
        await cluster.items(path)
        for path in (
            "/api/v1/nodes",
            "/api/v1/pods",
            "/apis/policy/v1/poddisruptionbudgets",
            "/apis/apps/v1/daemonsets",
        )
    ]
    now, policy = datetime.now(UTC), PRESETS["pending"]
    group = GroupState(machines=[], known=(), types=[SMALL])
    snapshot = take_snapshot(
        state_from(nodes, pods, budgets, daemon_sets), group, SPEC, policy, {}, now
    )
    decision, _ = decide(snapshot, policy, Memory())
    return decision.add if isinstance(decision, ScaleOut) else 0


@pytest.mark.parametrize(
    ("names", "machines"),
    [
        pytest.param(("guestbook",), 1, id="guestbook"),
        pytest.param(("ingress",), 3, id="ingress controller"),
        pytest.param(("metrics-server",), 2, id="metrics server"),
        pytest.param(("shop",), 2, id="shop"),
        pytest.param(("guestbook", "ingress", "metrics-server", "shop"), 3, id="all"),
    ],
)
def test_first_purchase_is_exactly_enough(names: tuple[str, ...], machines: int) -> None:
    async def story() -> None:
        async with running_cluster() as empty:
            await install(empty, names)
            await until(lambda: all_refused(empty))
            assert await wanted_machines(empty) == machines
        assert await waiting_on(machines, names) == 0
        assert await waiting_on(machines - 1, names) > 0

    run(story())


async def waiting_on(nodes: int, names: Sequence[str]) -> int:
    """The number of pods that find no place on so many machines."""
    async with running_cluster() as cluster:
        for number in range(nodes):
            await cluster.add_node(
                f"node-{number}",
                pods=SPEC.kubernetes.max_pods,
                vcpus=SMALL.vcpus,
                memory_mib=SMALL.memory_mib,
                labels=NODE_LABELS,
            )
        await install(cluster, ())
        await cluster.nodes_are_ready(nodes)
        await apply_all(cluster, names)
        waiting: list[Obj] = []

        async def settled() -> bool:
            nonlocal waiting
            pods = await cluster.items("/api/v1/pods")
            waiting = [pod for pod in pods if pod["status"]["phase"] != "Running"]
            refused = [pod for pod in waiting if pod["status"].get("conditions")]
            is_complete = len(pods) >= await wanted_pods(cluster)
            return is_complete and len(refused) == len(waiting)

        await until(settled)
        return sum(1 for pod in waiting if not pod["spec"].get("nodeName"))


async def install(cluster: SampleCluster, names: Sequence[str]) -> None:
    """Apply the network, and these manifests."""
    network = FLANNEL.read_text()
    for name, image in IMAGES.items():
        network = network.replace(f"@{name}@", image)
    await apply(cluster, network)
    await apply_all(cluster, names)


async def apply_all(cluster: SampleCluster, names: Sequence[str]) -> None:
    for name in names:
        await apply(cluster, (CASES / f"{name}.yaml").read_text())


async def wanted_pods(cluster: SampleCluster) -> int:
    owners = await cluster.items("/apis/apps/v1/deployments")
    return sum(owner["spec"]["replicas"] for owner in owners)
