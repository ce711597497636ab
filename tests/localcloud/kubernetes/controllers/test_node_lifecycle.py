"""Nodes that join, become unreachable, recover and are deleted, on a clock moved by the test."""

from typing import Any

from tests.localcloud.kubernetes.sample_cluster import (
    CONTROL_PLANE_TAINT,
    MovableClock,
    SampleCluster,
    advance_until,
    condition_of,
    daemon_set,
    deployment,
    is_true,
    run,
    running_cluster,
    until,
)

DAEMON_SETS = "/apis/apps/v1/namespaces/kube-system/daemonsets"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
NODES = "/api/v1/nodes"


async def two_nodes(cluster: SampleCluster, clock: MovableClock) -> None:
    await cluster.add_node("node-0")
    await cluster.add_node("node-1")
    await cluster.install_network()

    async def holds() -> bool:
        return len(await cluster.ready_nodes()) == 2

    await advance_until(clock, holds)


async def one_ready(cluster: SampleCluster, clock: MovableClock) -> None:
    async def holds() -> bool:
        return len(await cluster.ready_nodes()) == 1

    await advance_until(clock, holds)


def taints_of(node: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["key"], one["effect"]) for one in node["spec"].get("taints", ())}


def test_a_daemon_set_runs_on_every_node_the_tainted_master_included() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await cluster.add_node("master", taints=(CONTROL_PLANE_TAINT,))
            await cluster.add_node("node-0")
            await cluster.install_network()
            await cluster.nodes_are_ready(2)
            plain = daemon_set("agent", tolerations=[], hostNetwork=False)
            await cluster.create(DAEMON_SETS, plain)

            async def holds() -> bool:
                seen = [await cluster.get(f"{DAEMON_SETS}/{name}") for name in ("flannel", "agent")]
                return [one["status"].get("numberReady") for one in seen] == [2, 1]

            await until(holds)
            await cluster.add_node("node-1")

            async def followed() -> bool:
                seen = await cluster.get(f"{DAEMON_SETS}/agent")
                return bool(seen["status"].get("numberReady") == 2)

            await until(followed)
            seen = await cluster.get(f"{DAEMON_SETS}/flannel")
            assert seen["status"]["desiredNumberScheduled"] == 3
            assert seen["status"]["numberMisscheduled"] == 0

    run(story())


def test_a_node_is_ready_only_once_its_network_plugin_runs() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await cluster.add_node("node-0")

            async def tainted() -> bool:
                return len(taints_of(await cluster.get(f"{NODES}/node-0"))) == 2

            await until(tainted)
            node = await cluster.get(f"{NODES}/node-0")
            ready = condition_of(node, "Ready")
            assert ready["reason"] == "KubeletNotReady"
            assert "cni plugin not initialized" in ready["message"]
            assert node["spec"]["podCIDR"] == "10.244.0.0/24"
            await cluster.install_network()
            await cluster.nodes_are_ready(1)

    run(story())


def test_a_stopped_node_is_unreachable_after_40_seconds_and_loses_its_pods_after_300_more() -> None:
    async def story() -> None:
        clock = MovableClock()
        async with running_cluster(clock) as cluster:
            await two_nodes(cluster, clock)
            await cluster.create(DEPLOYMENTS, deployment("web", 4))

            async def running() -> bool:
                return await cluster.phases() == {"Running": 4}

            await advance_until(clock, running)
            await cluster.kubelets["node-1"].stop()
            await clock.advance(30)
            assert is_true(await cluster.get(f"{NODES}/node-1"), "Ready")

            await clock.advance(20)
            node = await cluster.get(f"{NODES}/node-1")
            assert condition_of(node, "Ready")["status"] == "Unknown"
            assert taints_of(node) == {
                ("node.kubernetes.io/unreachable", "NoSchedule"),
                ("node.kubernetes.io/unreachable", "NoExecute"),
            }
            there = await cluster.pods(fieldSelector="spec.nodeName=node-1")
            assert len(there) == 2
            assert not any(is_true(pod, "Ready") for pod in there)

            await clock.advance(310)
            leaving = await cluster.pods(fieldSelector="spec.nodeName=node-1")
            assert all(pod["metadata"].get("deletionTimestamp") for pod in leaving)
            elsewhere = await cluster.pods(fieldSelector="spec.nodeName=node-0")
            assert len([pod for pod in elsewhere if is_true(pod, "Ready")]) == 4

            # The machine recovers, and ends the deleted pods.
            await cluster.kubelets["node-1"].start()

            async def healed() -> bool:
                return len(await cluster.ready_nodes()) == 2 and len(await cluster.pods()) == 4

            await advance_until(clock, healed)

    run(story())


def test_pods_and_lease_of_a_deleted_node_are_deleted_after_a_while() -> None:
    async def story() -> None:
        clock = MovableClock()
        async with running_cluster(clock) as cluster:
            await two_nodes(cluster, clock)
            await cluster.kubelets["node-1"].stop()
            await cluster.api.request("DELETE", f"{NODES}/node-1")
            await clock.advance(60)
            flannel = await cluster.pods("kube-system")
            assert [pod["spec"]["nodeName"] for pod in flannel] == ["node-0"]
            leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
            assert await cluster.is_gone(f"{leases}/node-1")

    run(story())


def test_node_deleted_while_its_kubelet_runs_comes_back_only_with_a_restart() -> None:
    """A real kubelet registers when it starts, and at no other time."""

    async def story() -> None:
        clock = MovableClock()
        async with running_cluster(clock) as cluster:
            kubelet = await cluster.add_node("node-0", labels={"group": "k8s-node"})
            before = await cluster.get(f"{NODES}/node-0")
            await cluster.api.request("DELETE", f"{NODES}/node-0")
            await clock.advance(400)
            assert await cluster.is_gone(f"{NODES}/node-0")
            await kubelet.stop()
            await kubelet.start()
            after = await cluster.get(f"{NODES}/node-0")
            assert after["metadata"]["uid"] != before["metadata"]["uid"]
            assert after["metadata"]["labels"]["group"] == "k8s-node"

    run(story())


ODD_CONDITIONS = [{"type": "Ready", "status": "True"}, {"type": "PIDPressure", "status": "False"}]


def test_conditions_without_times_do_not_stop_a_kubelet() -> None:
    async def story() -> None:
        clock = MovableClock()
        async with running_cluster(clock) as cluster:
            await cluster.add_node("node-0")
            await cluster.install_network()
            await one_ready(cluster, clock)
            path = f"{NODES}/node-0/status"
            await cluster.merge(path, {"status": {"conditions": ODD_CONDITIONS}})
            await clock.advance(400)
            node = await cluster.get(f"{NODES}/node-0")
            assert is_true(node, "Ready")
            assert len(node["status"]["conditions"]) > len(ODD_CONDITIONS)
            assert all(one["lastTransitionTime"] for one in node["status"]["conditions"])

    run(story())


def test_pods_of_a_dead_node_are_deleted_and_never_end_by_themselves() -> None:
    async def story() -> None:
        clock = MovableClock()
        async with running_cluster(clock) as cluster:
            kubelet = await cluster.add_node("node-0")
            await cluster.install_network()
            await one_ready(cluster, clock)
            await cluster.create(DEPLOYMENTS, deployment("web", 1))

            async def runs() -> bool:
                return await cluster.phases() == {"Running": 1}

            await advance_until(clock, runs)
            (web,) = await cluster.pods()
            await kubelet.stop()
            await clock.advance(2000)
            found = {pod["metadata"]["uid"]: pod for pod in await cluster.pods()}
            assert "deletionTimestamp" in found.pop(web["metadata"]["uid"])["metadata"]
            assert [pod["status"]["phase"] for pod in found.values()] == ["Pending"]

    run(story())


def test_a_restarted_control_plane_has_its_nodes_and_pods() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await cluster.add_node("node-0")
            await cluster.install_network()
            await cluster.nodes_are_ready(1)
            await cluster.create(DEPLOYMENTS, deployment("web", 2))
            await cluster.phases_are(Running=2)
            before = {pod["metadata"]["uid"] for pod in await cluster.pods()}

            await cluster.plane.stop()
            await cluster.plane.start()
            assert {pod["metadata"]["uid"] for pod in await cluster.pods()} == before
            await cluster.merge(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 3}})
            await cluster.phases_are(Running=3)

    run(story())
