"""ReplicationControllers, ReplicaSets and Deployments, from creation to roll-back."""

import re

import pytest

from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.controllers.revisions import template_hash
from localcloud.kubernetes.controllers.rollout import bounds_of, grown_size, shrunk_sizes
from tests.localcloud.kubernetes.sample_cluster import (
    SampleCluster,
    condition_of,
    deployment,
    replication_controller,
    run,
    running_cluster,
    until,
)

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
REPLICA_SETS = "/apis/apps/v1/namespaces/default/replicasets"
RCS = "/api/v1/namespaces/default/replicationcontrollers"


async def with_nodes(cluster: SampleCluster, count: int = 2) -> None:
    for number in range(count):
        await cluster.add_node(f"node-{number}")
    await cluster.install_network()
    await cluster.nodes_are_ready(count)


async def is_complete(cluster: SampleCluster, name: str) -> bool:
    found = await cluster.get(f"{DEPLOYMENTS}/{name}")
    status, wanted = found.get("status", {}), found["spec"]["replicas"]
    return status.get("observedGeneration") == found["metadata"]["generation"] and (
        status.get("updatedReplicas") == status.get("availableReplicas") == wanted
        and status["replicas"] == wanted
    )


async def rolled_out(cluster: SampleCluster, name: str) -> None:
    async def holds() -> bool:
        return await is_complete(cluster, name)

    await until(holds)


def test_a_rollout_replaces_every_pod_and_reports_it() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await with_nodes(cluster)
            await cluster.create(DEPLOYMENTS, deployment("web", 4))
            await rolled_out(cluster, "web")
            first = {pod["metadata"]["name"] for pod in await cluster.pods()}

            container = {"name": "web", "image": "nginx:1.27"}
            change = {"spec": {"template": {"spec": {"containers": [container]}}}}
            await cluster.merge(f"{DEPLOYMENTS}/web", change)
            await rolled_out(cluster, "web")

            await cluster.phases_are(Running=4)
            pods = await cluster.pods()
            assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {"nginx:1.27"}
            assert not first & {pod["metadata"]["name"] for pod in pods}
            seen = await cluster.get(f"{DEPLOYMENTS}/web")
            new = max(await cluster.items(REPLICA_SETS), key=lambda one: one["spec"]["replicas"])
            progress = condition_of(seen, "Progressing")
            assert progress["reason"] == "NewReplicaSetAvailable"
            assert new["metadata"]["name"] in progress["message"]
            assert condition_of(seen, "Available")["status"] == "True"
            assert seen["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
            has_message = [reason for reason, _ in await cluster.reasons("web")]
            assert "ScalingReplicaSet" in has_message

    run(story())


def test_a_roll_back_makes_the_old_replica_set_the_newest_revision() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await with_nodes(cluster)
            await cluster.create(DEPLOYMENTS, deployment("web", 2))
            await rolled_out(cluster, "web")
            before = (await cluster.get(f"{DEPLOYMENTS}/web"))["spec"]["template"]
            container = {"name": "web", "image": "nginx:1.27"}
            await cluster.merge(
                f"{DEPLOYMENTS}/web", {"spec": {"template": {"spec": {"containers": [container]}}}}
            )
            await rolled_out(cluster, "web")
            await cluster.merge(f"{DEPLOYMENTS}/web", {"spec": {"template": before}})
            await rolled_out(cluster, "web")

            sets = await cluster.items(REPLICA_SETS)
            assert len(sets) == 2
            current = next(one for one in sets if one["spec"]["replicas"])
            notes = current["metadata"]["annotations"]
            assert notes["deployment.kubernetes.io/revision"] == "3"
            assert notes["deployment.kubernetes.io/revision-history"] == "1"

    run(story())


def test_recreate_ends_all_old_pods_before_the_first_new_one() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await with_nodes(cluster)
            body = deployment("web", 3, strategy={"type": "Recreate"})
            await cluster.create(DEPLOYMENTS, body)
            await rolled_out(cluster, "web")
            most = 0

            async def holds() -> bool:
                nonlocal most
                images = {pod["spec"]["containers"][0]["image"] for pod in await cluster.pods()}
                most = max(most, len(images))
                return await is_complete(cluster, "web")

            container = {"name": "web", "image": "nginx:1.27"}
            await cluster.merge(
                f"{DEPLOYMENTS}/web", {"spec": {"template": {"spec": {"containers": [container]}}}}
            )
            await until(holds)
            assert most == 1

    run(story())


def test_scaling_down_deletes_unready_pods_first() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await cluster.add_node("small", pods=4)
            await cluster.install_network()
            await cluster.nodes_are_ready(1)
            await cluster.create(RCS, replication_controller("nginx", 5))
            await cluster.phases_are(Running=3, Pending=2)
            await cluster.merge(f"{RCS}/nginx", {"spec": {"replicas": 3}})
            await cluster.phases_are(Running=3)
            has_message = [reason for reason, _ in await cluster.reasons("nginx")]
            assert has_message.count("SuccessfulDelete") == 2

    run(story())


def test_deleting_a_deployment_deletes_its_replica_sets_and_pods() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await with_nodes(cluster)
            await cluster.create(DEPLOYMENTS, deployment("web", 3))
            await rolled_out(cluster, "web")
            await cluster.api.request("DELETE", f"{DEPLOYMENTS}/web")

            async def holds() -> bool:
                return not await cluster.pods() and not await cluster.items(REPLICA_SETS)

            await until(holds)

    run(story())


def test_an_orphaned_pod_outlives_its_controller_and_is_adopted_by_the_next() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await with_nodes(cluster, 1)
            await cluster.create(RCS, replication_controller("nginx", 2))
            await cluster.phases_are(Running=2)
            before = {pod["metadata"]["uid"] for pod in await cluster.pods()}
            options = {"propagationPolicy": "Orphan"}
            await cluster.api.request("DELETE", f"{RCS}/nginx", body=options)

            async def orphaned() -> bool:
                owners = [p["metadata"].get("ownerReferences") for p in await cluster.pods()]
                return await cluster.is_gone(f"{RCS}/nginx") and not any(owners)

            await until(orphaned)
            await cluster.create(RCS, replication_controller("nginx", 2))

            async def adopted() -> bool:
                found = await cluster.get(f"{RCS}/nginx")
                return bool(found["status"].get("readyReplicas") == 2)

            await until(adopted)
            assert {pod["metadata"]["uid"] for pod in await cluster.pods()} == before

    run(story())


def sized(name: str, replicas: int, available: int) -> Obj:
    return {
        "metadata": {"name": name},
        "spec": {"replicas": replicas},
        "status": {"availableReplicas": available},
    }


@pytest.mark.parametrize(
    ("replicas", "rolling", "surge", "unavailable"),
    [
        pytest.param(4, {}, 1, 1, id="a quarter of four"),
        pytest.param(3, {}, 1, 0, id="surge rounds up, unavailability rounds down"),
        pytest.param(10, {"maxSurge": 2, "maxUnavailable": "0%"}, 2, 0, id="numbers"),
        pytest.param(1, {"maxSurge": 0, "maxUnavailable": 0}, 0, 1, id="never stuck"),
    ],
)
def test_bounds_of_a_rollout(replicas: int, rolling: Obj, surge: int, unavailable: int) -> None:
    found = bounds_of(deployment("web", replicas, strategy={"rollingUpdate": rolling}))
    assert (found.surge, found.unavailable) == (surge, unavailable)


def test_old_pods_leave_only_as_new_ones_become_available() -> None:
    wanted = deployment("web", 4)
    new, old = sized("new", 2, 0), sized("old", 3, 3)
    assert grown_size(wanted, new, [old]) == 2
    assert shrunk_sizes(wanted, new, [old]) == [3]
    assert shrunk_sizes(wanted, sized("new", 2, 2), [old]) == [1]


def test_unavailable_old_pods_are_deleted_at_once() -> None:
    assert shrunk_sizes(deployment("web", 4), sized("new", 2, 2), [sized("old", 3, 0)]) == [1]


def test_a_template_hash_has_the_letters_of_upstream() -> None:
    names = {template_hash({"spec": {"containers": [{"image": f"nginx:{n}"}]}}) for n in range(50)}
    assert len(names) == 50
    assert all(re.fullmatch("[4-9bcdf]{1,10}", name) for name in names)
