"""The HTTPS client of API servers, against the emulated one over TLS."""

import asyncio
import socket
from contextlib import aclosing
from urllib.parse import urlsplit

import pytest

from localcloud.clock import WallClock
from localcloud.fabric import Fabric
from localcloud.kubernetes.access.tls import client_tls
from localcloud.kubernetes.client.https import Address, HttpsClient
from localcloud.kubernetes.kubelet import Kubelet, NodeConfig
from localcloud.kubernetes.objects.failures import ApiFailure
from localcloud.pki import Pair
from localcloud.profiles import PROFILES

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def make_client(server):
    """Returns a client with an administrator's certificate; each test has a loop of its own."""
    issued = server.authority.issue("admin", "kubeadm:cluster-admins")
    tls = client_tls(server.authority.pair.certificate, Pair(issued.certificate, issued.key))

    def make(port: int = 0) -> HttpsClient:
        address = Address("127.0.0.1", port or urlsplit(server.url).port, "127.0.0.1")
        return HttpsClient(lambda: address, tls)

    return make


def config_map(name, **data):
    return {"metadata": {"name": name}, "data": data}


def test_requests_answer_objects_texts_and_failures(make_client):
    async def story():
        client = make_client()
        made = await client.request("POST", CONFIG_MAPS, body=config_map("one", a="1"))
        assert made["metadata"]["uid"]
        found = await client.request(
            "GET", CONFIG_MAPS, query={"fieldSelector": "metadata.name=one"}
        )
        assert [item["data"] for item in found["items"]] == [{"a": "1"}]
        assert await client.request("GET", "/readyz") == "ok"
        with pytest.raises(ApiFailure) as refused:
            await client.request("POST", CONFIG_MAPS, body=config_map("one"))
        assert (refused.value.status, refused.value.reason) == (409, "AlreadyExists")
        assert (refused.value.details or {})["name"] == "one"
        await client.close()

    asyncio.run(story())


def test_concurrent_requests_get_their_own_answers(make_client):
    async def story():
        client = make_client()
        names = [f"many-{number}" for number in range(20)]
        made = await asyncio.gather(
            *(client.request("POST", CONFIG_MAPS, body=config_map(name)) for name in names)
        )
        assert [one["metadata"]["name"] for one in made] == names
        await client.close()

    asyncio.run(story())


def test_a_missing_server_is_unavailable(make_client):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free_port = probe.getsockname()[1]
    with pytest.raises(ApiFailure) as refused:
        asyncio.run(make_client(free_port).request("GET", "/readyz"))
    assert refused.value.status == 503


def test_a_watch_reports_existing_objects_and_then_every_change(make_client):
    async def story():
        client = make_client()
        await client.request("POST", CONFIG_MAPS, body=config_map("watched", a="1"))
        only = {"fieldSelector": "metadata.name=watched"}
        async with asyncio.timeout(60), aclosing(client.watch(CONFIG_MAPS, query=only)) as events:
            change, obj = await anext(events)
            assert (change, obj["kind"], obj["data"]) == ("ADDED", "ConfigMap", {"a": "1"})
            assert await anext(events) == ("SYNCED", {})
            await client.request("PUT", f"{CONFIG_MAPS}/watched", body=config_map("watched", a="2"))
            change, obj = await anext(events)
            assert (change, obj["data"]) == ("MODIFIED", {"a": "2"})
            await client.request("DELETE", f"{CONFIG_MAPS}/watched")
            assert (await anext(events))[0] == "DELETED"
        await client.close()

    asyncio.run(story())


def test_objects_of_a_watch_may_hold_any_character(make_client):
    async def story():
        client = make_client()
        await client.request("POST", CONFIG_MAPS, body=config_map("odd"))
        only = {"fieldSelector": "metadata.name=odd"}
        async with asyncio.timeout(60), aclosing(client.watch(CONFIG_MAPS, query=only)) as events:
            assert [(await anext(events))[0] for _ in range(2)] == ["ADDED", "SYNCED"]
            text = "\x85\u2028\n"
            await client.request("PUT", f"{CONFIG_MAPS}/odd", body=config_map("odd", a=text))
            assert (await anext(events))[1]["data"] == {"a": text}
        await client.close()

    asyncio.run(story())


def test_a_client_that_was_closed_opens_new_connections(make_client):
    async def story():
        client = make_client()
        for _ in range(2):
            assert await client.request("GET", "/readyz") == "ok"
            await client.close()

    asyncio.run(story())


def test_a_watch_resumes_after_an_outage_of_the_server(make_client, server):
    async def story():
        client = make_client()
        only = {"fieldSelector": "metadata.name=later"}
        async with asyncio.timeout(60), aclosing(client.watch(CONFIG_MAPS, query=only)) as events:
            assert await anext(events) == ("SYNCED", {})
            waiting = asyncio.ensure_future(anext(events))
            await asyncio.to_thread(server.run, server.plane.stop())
            await asyncio.to_thread(server.run, server.plane.start())
            await asyncio.to_thread(server.call, "POST", CONFIG_MAPS, body=config_map("later"))
            change, obj = await waiting
            assert (change, obj["metadata"]["name"]) == ("ADDED", "later")
        await client.close()

    asyncio.run(story())


def test_a_virtual_kubelet_works_over_tls(make_client, make_pod):
    """As with a real API server, the kubelet has only the client."""
    node = NodeConfig(
        name="far",
        vpc="rtr-test",
        address="192.168.100.10",
        version="v1.36.4",
        max_pods=40,
        vcpus=4,
        memory_mib=8192,
        os_image="Ubuntu 24.04 LTS",
        labels={},
        taints=(),
        static_pods=(),
    )

    async def story():
        client = make_client()
        kubelet = Kubelet(client, node, Fabric(), WallClock(), PROFILES["instant"])
        await kubelet.start()
        change = {"spec": {"podCIDR": "10.244.7.0/24", "podCIDRs": ["10.244.7.0/24"]}}
        merge = "application/merge-patch+json"
        await client.request("PATCH", "/api/v1/nodes/far", body=change, content_type=merge)
        pod = make_pod("remote")
        pod["spec"] |= {"nodeName": "far", "hostNetwork": True}
        pod["spec"]["containers"][0]["image"] = "example.test/flannel:v1"
        pods = "/api/v1/namespaces/default/pods"
        await client.request("POST", pods, body=pod)
        only = {"fieldSelector": "metadata.name=remote"}
        async with asyncio.timeout(60), aclosing(client.watch(pods, query=only)) as events:
            async for _, seen in events:
                if seen.get("status", {}).get("phase") == "Running":
                    break
        async with asyncio.timeout(60), aclosing(client.watch("/api/v1/nodes")) as events:
            async for _, seen in events:
                conditions = seen.get("status", {}).get("conditions", ())
                if ("Ready", "True") in {(one["type"], one["status"]) for one in conditions}:
                    break
        await kubelet.stop()
        await client.close()

    asyncio.run(story())
