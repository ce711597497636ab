"""Namespaces from creation to deletion, evictions under a budget, endpoints of Services."""

import asyncio
from contextlib import suppress

from localcloud.kubernetes.client import ApiFailure
from tests.localcloud.kubernetes.sample_cluster import (
    SampleCluster,
    deployment,
    run,
    running_cluster,
    service,
    until,
)

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"


async def with_nodes(cluster: SampleCluster, count: int) -> None:
    for number in range(count):
        await cluster.add_node(f"node-{number}")
    await cluster.install_network()
    await cluster.nodes_are_ready(count)


def test_a_new_namespace_gets_its_service_account_and_the_ca() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await cluster.create("/api/v1/namespaces", {"metadata": {"name": "demo"}})
            root = "/api/v1/namespaces/demo"

            async def holds() -> bool:
                paths = (f"{root}/serviceaccounts/default", f"{root}/configmaps/kube-root-ca.crt")
                return not any([await cluster.is_gone(path) for path in paths])

            await until(holds)

    run(story())


def test_a_namespace_is_deleted_with_its_contents() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await with_nodes(cluster, 1)
            await cluster.create("/api/v1/namespaces", {"metadata": {"name": "demo"}})
            body = deployment("web", 3)
            await cluster.create("/apis/apps/v1/namespaces/demo/deployments", body)
            await cluster.create("/api/v1/namespaces/demo/services", service("web", "web"))

            async def running() -> bool:
                return await cluster.phases("demo") == {"Running": 3}

            await until(running)
            await cluster.api.request("DELETE", "/api/v1/namespaces/demo")

            async def gone() -> bool:
                return await cluster.is_gone("/api/v1/namespaces/demo")

            await until(gone)
            assert await cluster.pods("demo") == []
            assert await cluster.items("/api/v1/namespaces/demo/services") == []

    run(story())


def test_a_drain_waits_for_the_budget_and_passes_once_there_is_room() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            await with_nodes(cluster, 2)
            await cluster.create(DEPLOYMENTS, deployment("web", 3))
            await cluster.phases_are(Running=3)
            budget = {"minAvailable": 3, "selector": {"matchLabels": {"app": "web"}}}
            await cluster.create(BUDGETS, {"metadata": {"name": "web"}, "spec": budget})

            async def counted() -> bool:
                seen = (await cluster.get(f"{BUDGETS}/web")).get("status", {})
                return bool(seen.get("currentHealthy") == 3)

            await until(counted)
            seen = (await cluster.get(f"{BUDGETS}/web"))["status"]
            assert (seen["desiredHealthy"], seen["expectedPods"]) == (3, 3)
            assert seen["disruptionsAllowed"] == 0

            await cluster.merge("/api/v1/nodes/node-0", {"spec": {"unschedulable": True}})
            assert not await evict_all(cluster, "node-0")

            await cluster.merge(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 4}})

            async def drained() -> bool:
                await evict_all(cluster, "node-0")
                return not await cluster.pods(fieldSelector="spec.nodeName=node-0")

            await until(drained)
            await cluster.phases_are(Running=4)

    run(story())


async def evict_all(cluster: SampleCluster, node: str) -> int:
    """Try to evict each pod of a node, as kubectl drain does, and return the number evicted."""
    evicted = 0
    for pod in await cluster.pods(fieldSelector=f"spec.nodeName={node}"):
        name = pod["metadata"]["name"]
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        path = f"/api/v1/namespaces/default/pods/{name}/eviction"
        with suppress(ApiFailure):  # refused by the budget, or deleted already
            await cluster.api.request("POST", path, body=body)
            evicted += 1
        await asyncio.sleep(0)
    return evicted


def test_a_service_has_exactly_its_ready_pods_in_slices_of_a_hundred() -> None:
    async def story() -> None:
        async with running_cluster() as cluster:
            for number in range(2):
                await cluster.add_node(f"node-{number}", pods=80)
            await cluster.install_network()
            await cluster.nodes_are_ready(2)
            await cluster.create("/api/v1/namespaces/default/services", service("web", "web"))
            await cluster.create(DEPLOYMENTS, deployment("web", 120))
            await cluster.phases_are(Running=120)

            async def known(count: int) -> bool:
                selector = "kubernetes.io/service-name=web"
                slices = await cluster.items(SLICES, labelSelector=selector)
                assert all(len(one["endpoints"]) <= 100 for one in slices)
                ready = {
                    endpoint["targetRef"]["uid"]
                    for one in slices
                    for endpoint in one["endpoints"]
                    if endpoint["conditions"]["ready"]
                }
                found = await cluster.get("/api/v1/namespaces/default/endpoints/web")
                addresses = [a for s in found["subsets"] for a in s.get("addresses", ())]
                return len(ready) == len(addresses) == count

            async def all_known() -> bool:
                return await known(120)

            await until(all_known)
            await cluster.merge(f"{DEPLOYMENTS}/web", {"spec": {"replicas": 5}})

            async def few_known() -> bool:
                return await known(5)

            await until(few_known)
            await cluster.api.request("DELETE", "/api/v1/namespaces/default/services/web")

            async def none_left() -> bool:
                selector = "kubernetes.io/service-name=web"
                slices = await cluster.items(SLICES, labelSelector=selector)
                endpoints = "/api/v1/namespaces/default/endpoints/web"
                return not slices and await cluster.is_gone(endpoints)

            await until(none_left)

    run(story())
