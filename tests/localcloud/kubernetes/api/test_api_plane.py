"""A plane as used by the other parts of the local cloud: in-process clients, start and stop."""

import asyncio
from contextlib import aclosing

import pytest

from localcloud.clock import WallClock
from localcloud.kubernetes.client import MASTERS, ApiFailure, User
from localcloud.kubernetes.planes import Planes, hash_of_ca
from localcloud.profiles import PROFILES

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
NODES = "/api/v1/nodes"


async def create(client, name):
    return await client.request("POST", CONFIG_MAPS, body={"metadata": {"name": name}})


async def read_until(events, wanted):
    """Collect (event, name) pairs up to the wanted one."""
    seen = []
    async with asyncio.timeout(60):
        async for event, body in events:
            seen.append((event, body.get("metadata", {}).get("name", "")))
            if seen[-1] == wanted:
                return seen
    return seen


def run(make_plane, scenario):
    async def whole():
        plane = make_plane()
        await plane.start()
        try:
            return await scenario(plane)
        finally:
            await plane.stop()

    return asyncio.run(whole())


def test_a_new_cluster_has_what_clients_expect(make_plane):
    async def scenario(plane):
        client = plane.client(MASTERS)
        spaces = await client.request("GET", "/api/v1/namespaces")
        accounts = await client.request("GET", "/api/v1/serviceaccounts")
        info = await client.request("GET", "/api/v1/namespaces/kube-public/configmaps/cluster-info")
        secrets = await client.request("GET", "/api/v1/namespaces/kube-system/secrets")
        return spaces, accounts, info, secrets

    spaces, accounts, info, secrets = run(make_plane, scenario)
    names = [item["metadata"]["name"] for item in spaces["items"]]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    assert len(accounts["items"]) == 4
    assert "https://192.168.0.2:6443" in info["data"]["kubeconfig"]
    assert [item["metadata"]["name"] for item in secrets["items"]] == ["bootstrap-token-abcdef"]


def test_a_client_gets_copies_of_objects(make_plane):
    async def scenario(plane):
        client = plane.client(MASTERS)
        body = {"metadata": {"name": "a"}, "data": {"x": "1"}}
        created = await client.request("POST", CONFIG_MAPS, body=body)
        body["data"]["x"] = created["data"]["x"] = "changed"
        return await client.request("GET", f"{CONFIG_MAPS}/a")

    assert run(make_plane, scenario)["data"] == {"x": "1"}


def test_a_watch_yields_existing_objects_then_synced_then_changes(make_plane):
    async def scenario(plane):
        client = plane.client(MASTERS)
        await create(client, "first")
        async with aclosing(client.watch(CONFIG_MAPS)) as events:
            seen = await read_until(events, ("SYNCED", ""))
            await create(client, "second")
            await client.request("DELETE", f"{CONFIG_MAPS}/first")
            return seen + await read_until(events, ("DELETED", "first"))

    assert run(make_plane, scenario) == [
        ("ADDED", "first"),
        ("SYNCED", ""),
        ("ADDED", "second"),
        ("DELETED", "first"),
    ]


def test_a_stopped_plane_refuses_and_a_started_one_resumes(make_plane):
    async def scenario(plane):
        client = plane.client(MASTERS)
        await create(client, "kept")
        async with aclosing(client.watch(CONFIG_MAPS)) as events:
            await read_until(events, ("SYNCED", ""))
            await plane.stop()
            with pytest.raises(ApiFailure) as caught:
                await create(client, "lost")
            await plane.start()
            await create(client, "later")
            return caught.value.status, await read_until(events, ("ADDED", "later"))

    status, seen = run(make_plane, scenario)
    assert status == 503
    assert seen == [("ADDED", "kept"), ("ADDED", "later")]


def test_identities_of_clients_count(make_plane):
    kubelet = User("system:node:n", ("system:nodes", "system:authenticated"))

    async def scenario(plane):
        client = plane.client(kubelet)
        await client.request("POST", NODES, body={"metadata": {"name": "n"}})
        with pytest.raises(ApiFailure) as caught:
            await client.request("DELETE", f"{NODES}/n")
        return caught.value

    failure = run(make_plane, scenario)
    assert failure.status == 403
    assert failure.message == (
        'nodes "n" is forbidden: User "system:node:n" cannot delete resource "nodes" in API group '
        '"" at the cluster scope'
    )


def test_planes_are_found_by_the_hash_of_their_ca(plane_config):
    planes = Planes(WallClock(), PROFILES["instant"])
    plane = planes.create(plane_config)
    assert plane.ca_hash == hash_of_ca(plane_config.ca_certificate)
    assert planes.find(plane_config.vpc, plane.ca_hash) is plane
    assert planes.find(plane_config.vpc, "sha256:0") is None


def test_a_watch_that_lost_events_lists_again_and_reports_deletions(make_plane):
    async def scenario(plane):
        plane.server.backlog = 3
        client = plane.client(MASTERS)
        await create(client, "old")
        async with aclosing(client.watch(CONFIG_MAPS)) as events:
            await read_until(events, ("SYNCED", ""))
            for number in range(5):
                await create(client, f"new-{number}")
            await client.request("DELETE", f"{CONFIG_MAPS}/old")
            return await read_until(events, ("DELETED", "old"))

    seen = run(make_plane, scenario)
    assert {name for event, name in seen if event == "ADDED"} == {f"new-{n}" for n in range(5)}


def test_a_forgotten_plane_is_not_found(plane_config):
    planes = Planes(WallClock(), PROFILES["instant"])
    old = planes.create(plane_config)
    new = planes.create(plane_config)  # the same cluster again: it replaces the old plane
    planes.forget(old)
    assert planes.find(plane_config.vpc, new.ca_hash) is new
    planes.forget(new)
    assert planes.find(plane_config.vpc, new.ca_hash) is None
