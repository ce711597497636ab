"""The article's burst, and the reasons of pending pods."""

from collections import Counter
from typing import Any

import pytest

from localcloud.kubernetes.client import ApiFailure
from tests.localcloud.kubernetes.sample_cluster import (
    CONTROL_PLANE_TAINT,
    MovableClock,
    SampleCluster,
    advance_until,
    condition_of,
    pod_template,
    replication_controller,
    run,
    running_cluster,
    until,
)

RC = "/api/v1/namespaces/default/replicationcontrollers"
PODS = "/api/v1/namespaces/default/pods"


async def ready_cluster(cluster: SampleCluster, nodes: int) -> None:
    # One pod more than the article's 40: flannel runs on each node.
    for number in range(nodes):
        await cluster.add_node(f"node-{number}", pods=41)
    await cluster.install_network()
    await cluster.nodes_are_ready(nodes)


def spread(pods: list[dict[str, Any]]) -> Counter[str]:
    return Counter(pod["spec"]["nodeName"] for pod in pods if pod["spec"].get("nodeName"))


def test_a_burst_of_150_pods_fills_three_nodes_and_a_fourth_takes_the_rest() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 3)
            await cluster.create(RC, replication_controller("nginx", 150))
            await cluster.phases_are(Running=120, Pending=30)

            pods = await cluster.pods()
            assert sorted(spread(pods).values()) == [40, 40, 40]
            waiting = next(pod for pod in pods if pod["status"]["phase"] == "Pending")
            name = waiting["metadata"]["name"]

            async def has_message() -> bool:
                return "FailedScheduling" in [reason for reason, _ in await cluster.reasons(name)]

            await until(has_message)
            placed = condition_of(await cluster.get(f"{PODS}/{name}"), "PodScheduled")
            assert placed["reason"] == "Unschedulable"
            assert placed["message"].startswith("0/3 nodes are available: 3 Too many pods.")

            await cluster.add_node("node-3", pods=41)
            await cluster.phases_are(Running=150)
            assert spread(await cluster.pods())["node-3"] == 30

            async def counted() -> bool:
                owner = await cluster.get(f"{RC}/nginx")
                return bool(owner["status"].get("readyReplicas") == 150)

            await until(counted)

    run(story())


def test_a_node_that_is_tainted_cordoned_or_too_small_is_named_as_the_reason() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await cluster.add_node("master", taints=(CONTROL_PLANE_TAINT,))
            await cluster.add_node("cordoned")
            await cluster.add_node("small", vcpus=1)
            await cluster.install_network()
            await cluster.nodes_are_ready(3)
            await cluster.merge("/api/v1/nodes/cordoned", {"spec": {"unschedulable": True}})
            rc = replication_controller("big", 1)
            rc["spec"]["template"]["spec"]["containers"][0]["resources"] = {
                "requests": {"cpu": "1500m"}
            }
            await cluster.create(RC, rc)

            async def explained() -> bool:
                pods = await cluster.pods()
                return bool(pods) and bool(pods[0]["status"].get("conditions"))

            await until(explained)
            message = condition_of((await cluster.pods())[0], "PodScheduled")["message"]
            assert message == (
                "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s), "
                "1 node(s) were unschedulable. no new claims to deallocate, preemption: "
                "0/3 nodes are available: 3 Preemption is not helpful for scheduling."
            )

    run(story())


def test_a_pod_that_cannot_be_evaluated_blocks_no_other() -> None:
    affinity = {"matchExpressions": [{"key": "size", "operator": "Gt", "values": ["large"]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [affinity]}}

    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 1)
            odd = replication_controller("odd", 1, affinity={"nodeAffinity": required})
            await cluster.create(RC, odd)
            await cluster.create(RC, replication_controller("nginx", 2))
            await cluster.phases_are(Running=2, Pending=1)

    run(story())


HOST = "kubernetes.io/hostname"


def near(app: str, topology: str = HOST, **more: Any) -> dict[str, Any]:
    term = {"topologyKey": topology, "labelSelector": {"matchLabels": {"app": app}}, **more}
    return {"requiredDuringSchedulingIgnoredDuringExecution": [term]}


def bare_pod(name: str, **spec: Any) -> dict[str, Any]:
    pod = pod_template(name, **spec)
    return {**pod, "metadata": {**pod["metadata"], "name": name}}


async def why_waiting(cluster: SampleCluster, app: str) -> str:
    """Wait until a pod of an app is has_message why it has no node, and return that."""
    messages = list[str]()

    async def has_message() -> bool:
        for pod in await cluster.pods(labelSelector=f"app={app}"):
            for condition in pod["status"].get("conditions") or ():
                if condition["type"] == "PodScheduled" and condition["status"] == "False":
                    messages.append(condition["message"])
        return bool(messages)

    await until(has_message)
    return messages[-1]


def test_pods_with_anti_affinity_get_a_node_each() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 2)
            apart = {"podAntiAffinity": near("hermit")}
            await cluster.create(RC, replication_controller("hermit", 3, affinity=apart))
            await cluster.phases_are(Running=2, Pending=1)
            assert sorted(spread(await cluster.pods()).values()) == [1, 1]
            assert await why_waiting(cluster, "hermit") == (
                "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. "
                "no new claims to deallocate, preemption: "
                "0/2 nodes are available: 2 No preemption victims found for incoming pod."
            )
            await cluster.add_node("node-2")
            await cluster.phases_are(Running=3)

    run(story())


def test_anti_affinity_of_placed_pods_excludes_others() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 1)
            alone = {"podAntiAffinity": near("web", namespaceSelector={})}
            await cluster.create(RC, replication_controller("alone", 1, affinity=alone))
            await cluster.phases_are(Running=1)
            await cluster.create(RC, replication_controller("other", 1))
            await cluster.phases_are(Running=2)
            await cluster.create(RC, replication_controller("web", 1))
            assert "1 node(s) didn't satisfy existing pods anti-affinity rules. " in (
                await why_waiting(cluster, "web")
            )
            (web,) = await cluster.pods(labelSelector="app=web")
            path = f"{PODS}/{web['metadata']['name']}"
            await cluster.merge(path, {"metadata": {"labels": {"app": "harmless"}}})
            await cluster.phases_are(Running=3, Pending=1)  # and its replacement

    run(story())


def test_a_pod_waits_for_the_pods_of_its_affinity() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 3)
            friendly = {"podAffinity": near("host")}
            await cluster.create(RC, replication_controller("guest", 5, affinity=friendly))
            assert await why_waiting(cluster, "guest") == (
                "0/3 nodes are available: 3 node(s) didn't match pod affinity rules. "
                "no new claims to deallocate, preemption: "
                "0/3 nodes are available: 3 Preemption is not helpful for scheduling."
            )
            await cluster.create(RC, replication_controller("host", 1))
            await cluster.phases_are(Running=6)
            assert list(spread(await cluster.pods()).values()) == [6]

    run(story())


def test_the_first_pod_of_an_affinity_to_itself_starts_anywhere() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 3)
            friendly = {"podAffinity": near("flock")}
            await cluster.create(RC, replication_controller("flock", 4, affinity=friendly))
            await cluster.phases_are(Running=4)
            assert list(spread(await cluster.pods()).values()) == [4]
            lost = {"podAffinity": near("lost", topology="no-such-label")}
            await cluster.create(RC, replication_controller("lost", 1, affinity=lost))
            assert "3 node(s) didn't match pod affinity rules" in (
                await why_waiting(cluster, "lost")
            )

    run(story())


def evenly(app: str, topology: str = HOST) -> dict[str, Any]:
    return {
        "topologyKey": topology,
        "maxSkew": 1,
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": app}},
    }


def test_pods_that_must_be_spread_wait_for_an_emptier_node() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 2)
            await cluster.merge("/api/v1/nodes/node-1", {"spec": {"unschedulable": True}})
            wishes = {"topologySpreadConstraints": [evenly("even")]}
            await cluster.create(RC, replication_controller("even", 3, **wishes))
            assert await why_waiting(cluster, "even") == (
                "0/2 nodes are available: 1 node(s) didn't match pod topology spread constraints, "
                "1 node(s) were unschedulable. no new claims to deallocate, preemption: "
                "0/2 nodes are available: 1 No preemption victims found for incoming pod, "
                "1 Preemption is not helpful for scheduling."
            )
            await cluster.phases_are(Running=1, Pending=2)
            await cluster.merge("/api/v1/nodes/node-1", {"spec": {"unschedulable": False}})
            await cluster.phases_are(Running=3)
            assert sorted(spread(await cluster.pods()).values()) == [1, 2]

    run(story())


def test_pods_that_must_be_spread_over_racks_run_on_no_node_without_one() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 1)
            wishes = {"topologySpreadConstraints": [evenly("racked", topology="rack")]}
            await cluster.create(RC, replication_controller("racked", 1, **wishes))
            assert await why_waiting(cluster, "racked") == (
                "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints "
                "(missing required label). no new claims to deallocate, preemption: "
                "0/1 nodes are available: 1 Preemption is not helpful for scheduling."
            )

    run(story())


def test_pods_outside_any_domain_do_not_satisfy_affinity() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await cluster.add_node("placeless")
            await cluster.add_node("zoned", labels={"zone": "z"})
            await cluster.install_network()
            await cluster.nodes_are_ready(2)
            outside = {"nodeSelector": {HOST: "placeless"}}
            await cluster.create(RC, replication_controller("flock", 1, **outside))
            await cluster.phases_are(Running=1)
            friendly = {"podAffinity": near("flock", topology="zone")}
            follower = replication_controller("follower", 1, affinity=friendly)
            follower["spec"]["selector"] = {"role": "follower"}
            labels = {"app": "flock", "role": "follower"}
            follower["spec"]["template"]["metadata"]["labels"] = labels
            await cluster.create(RC, follower)
            await cluster.phases_are(Running=2)
            assert spread(await cluster.pods())["zoned"] == 1

    run(story())


def test_a_relabelled_pod_no_longer_excludes_others() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 1)
            await cluster.create(PODS, bare_pod("web"))
            await cluster.phases_are(Running=1)
            apart = {"podAntiAffinity": near("web")}
            await cluster.create(RC, replication_controller("hermit", 1, affinity=apart))
            assert "didn't match pod anti-affinity rules" in await why_waiting(cluster, "hermit")
            await cluster.merge(f"{PODS}/web", {"metadata": {"labels": {"app": "other"}}})
            await cluster.phases_are(Running=2)

    run(story())


def test_a_pod_waits_for_disks_and_devices_as_for_memory() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 1)
            greedy = replication_controller("greedy", 1)
            greedy["spec"]["template"]["spec"]["containers"][0]["resources"] = {
                "requests": {"ephemeral-storage": "500Gi"},
                "limits": {"example.com/gpu": "1"},
            }
            await cluster.create(RC, greedy)
            assert "1 Insufficient ephemeral-storage, 1 Insufficient example.com/gpu. " in (
                await why_waiting(cluster, "greedy")
            )

    run(story())


CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"


async def with_classes(cluster: SampleCluster) -> None:
    for name, value, policy in (
        ("low", -5, None),
        ("high", 1000, None),
        ("polite", 1000, "Never"),
    ):
        more = {"preemptionPolicy": policy} if policy else {}
        await cluster.create(CLASSES, {"metadata": {"name": name}, "value": value, **more})


def asking(name: str, cpu: str, priority: str = "", **labels: str) -> dict[str, Any]:
    requests = {"resources": {"requests": {"cpu": cpu}}}
    container = {"name": "c", "image": "nginx", **requests}
    spec = {"containers": [container]} | ({"priorityClassName": priority} if priority else {})
    return {"metadata": {"name": name, "labels": labels}, "spec": spec}


async def bound(cluster: SampleCluster, name: str) -> str:
    """The node of a pod, once it has one."""

    async def holds() -> bool:
        return bool((await cluster.get(f"{PODS}/{name}"))["spec"].get("nodeName"))

    await until(holds)
    return str((await cluster.get(f"{PODS}/{name}"))["spec"]["nodeName"])


async def refused(cluster: SampleCluster, name: str) -> dict[str, Any]:
    """A pod for which the scheduler has found no node."""

    async def holds() -> bool:
        status = (await cluster.get(f"{PODS}/{name}"))["status"]
        return any(one["status"] == "False" for one in status.get("conditions", ()))

    await until(holds)
    return await cluster.get(f"{PODS}/{name}")


def test_pods_of_lower_priority_leave_where_the_least_has_to() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 2)
            await with_classes(cluster)
            for name, cpu, priority in (("a", "3", ""), ("b", "3", "low")):
                await cluster.create(PODS, asking(name, cpu, priority))
                await bound(cluster, name)
            low = await bound(cluster, "b")
            await cluster.create(PODS, asking("urgent", "2", "high"))
            assert await bound(cluster, "urgent") == low

            async def gone() -> bool:
                return await cluster.is_gone(f"{PODS}/b")

            await until(gone)
            assert "Preempted" in [reason for reason, _ in await cluster.reasons("b")]
            assert "nominatedNodeName" not in (await cluster.get(f"{PODS}/urgent"))["status"]
            assert (await cluster.get(f"{PODS}/a"))["spec"]["nodeName"] != low

    run(story())


def test_pod_that_waits_for_others_to_leave_says_on_which_node() -> None:
    async def story() -> None:
        clock = MovableClock()
        async with running_cluster(clock) as cluster:
            kubelet = await cluster.add_node("node-0")
            await cluster.install_network()

            async def ready() -> bool:
                return await cluster.ready_nodes() == ["node-0"]

            await advance_until(clock, ready)
            await with_classes(cluster)
            await cluster.create(PODS, asking("old", "3"))
            await bound(cluster, "old")
            await kubelet.stop()  # so that the old pod does not end
            await cluster.create(PODS, asking("urgent", "3", "high"))
            waiting = await refused(cluster, "urgent")
            assert waiting["status"]["nominatedNodeName"] == "node-0"
            words = condition_of(waiting, "PodScheduled")["message"]
            assert words.startswith("0/1 nodes are available: 1 Insufficient cpu.")
            assert "not helpful" not in words
            assert "No preemption victims" not in words
            assert (await cluster.get(f"{PODS}/old"))["metadata"]["deletionTimestamp"]

    run(story())


def test_polite_pods_and_those_of_equal_priority_preempt_nothing() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 1)
            await with_classes(cluster)
            await cluster.create(PODS, asking("old", "3"))
            await bound(cluster, "old")
            for name, priority in (("polite-1", "polite"), ("equal", "")):
                await cluster.create(PODS, asking(name, "3", priority))
                waiting = await refused(cluster, name)
                assert "nominatedNodeName" not in waiting["status"]

    run(story())


def test_pods_under_a_used_up_budget_leave_last() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 2)
            await with_classes(cluster)
            budget = {"minAvailable": "100%", "selector": {"matchLabels": {"app": "kept"}}}
            await cluster.create(BUDGETS, {"metadata": {"name": "b"}, "spec": budget})
            await cluster.create(PODS, asking("kept", "3", "low", app="kept"))
            await cluster.create(PODS, asking("free", "3"))
            kept, free = await bound(cluster, "kept"), await bound(cluster, "free")
            assert kept != free
            await cluster.phases_are(Running=2)
            await cluster.create(PODS, asking("urgent", "3", "high"))
            assert await bound(cluster, "urgent") == free

    run(story())


def test_priority_is_that_of_the_class() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await with_classes(cluster)
            made = await cluster.create(PODS, asking("a", "1", "high"))
            assert made["spec"]["priority"] == 1000
            for spec in ({"priorityClassName": "none"}, {"priority": 7}):
                pod = asking("b", "1")
                pod["spec"] |= spec
                with pytest.raises(ApiFailure, match="is forbidden"):
                    await cluster.create(PODS, pod)

    run(story())


def test_host_port_is_free_on_another_address_or_protocol() -> None:
    def listening(name: str, **port: str) -> dict[str, Any]:
        pod = asking(name, "10m")
        pod["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 80, **port}]
        return pod

    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 1)
            for name, address, protocol in (
                ("one", "10.0.0.1", "TCP"),
                ("other", "10.0.0.2", "TCP"),
                ("udp", "10.0.0.1", "UDP"),
            ):
                await cluster.create(PODS, listening(name, hostIP=address, protocol=protocol))
                await bound(cluster, name)
            await cluster.create(PODS, listening("all"))
            words = condition_of(await refused(cluster, "all"), "PodScheduled")["message"]
            assert "didn't have free ports" in words

    run(story())


def test_pod_with_a_claim_waits_since_there_are_no_claims() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await ready_cluster(cluster, 1)
            pod = asking("db", "1")
            claim = {"claimName": "data"}
            pod["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": claim}]
            await cluster.create(PODS, pod)
            words = condition_of(await refused(cluster, "db"), "PodScheduled")["message"]
            assert words.startswith(
                '0/1 nodes are available: persistentvolumeclaim "data" not found. '
            )

    run(story())
