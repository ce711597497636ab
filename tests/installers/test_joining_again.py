"""Machines that were nodes before: their Node was deleted, or is still there after a reset."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from localcloud.kubernetes.client import MASTERS, ApiFailure
from tests.localcloud.machines.machine_lab import (
    MASTER_SCRIPT,
    NODE,
    NODE_SCRIPT,
    TOKEN,
    Lab,
    make_machine_spec,
    master_settings,
    node_settings,
    open_lab,
    run,
)

NAME = "k8s-node-two"
PATH = f"/api/v1/nodes/{NAME}"
PLACE = {"instance_id": "i-two", "address": NODE}


async def cluster(lab: Lab) -> dict[str, str]:
    """A master and a node. Returns: the settings of the node."""
    await lab.boot(make_machine_spec())
    done = await lab.install(MASTER_SCRIPT, master_settings())
    assert done.exit_status == 0, done.stderr
    await lab.boot(make_machine_spec("i-two", NODE))
    settings = node_settings(JOIN_TOKEN=TOKEN, CA_HASH=lab.plane().ca_hash)
    done = await lab.install(NODE_SCRIPT, settings, **PLACE)
    assert done.exit_status == 0, done.stderr
    return settings


async def run_pod(lab: Lab, name: str) -> Any:
    """Run a pod with a network of its own on the node, and return it."""
    api, path = lab.plane().client(MASTERS), "/api/v1/namespaces/default/pods"
    spec = {"nodeName": NAME, "containers": [{"name": "web", "image": "nginx"}]}
    await api.request("POST", path, body={"metadata": {"name": name}, "spec": spec})
    while True:
        pod = await api.request("GET", f"{path}/{name}")
        if pod["status"].get("phase") == "Running":
            return pod
        await asyncio.sleep(0.05)


def test_a_restarted_kubelet_alone_leaves_the_old_bridge_in_the_way(tmp_path: Path) -> None:
    """Its node is Ready, and starts no pod: what the installer's clean-up is for."""

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await cluster(lab)
            await run_pod(lab, "first")
            api = lab.plane().client(MASTERS)
            await api.request("DELETE", PATH)
            assert (await lab.run("systemctl restart kubelet", NODE)).exit_status == 0
            waiting = asyncio.create_task(run_pod(lab, "second"))
            events = "/api/v1/namespaces/default/events"
            while "FailedCreatePodSandBox" not in str(await api.request("GET", events)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert not waiting.done()
            waiting.cancel()

    run(story())


def test_a_node_whose_object_was_deleted_registers_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            settings = await cluster(lab)
            api = lab.plane().client(MASTERS)
            first = await api.request("GET", PATH)
            pod = await run_pod(lab, "first")
            await api.request("DELETE", PATH)
            with pytest.raises(ApiFailure, match="NotFound"):
                await api.request("GET", PATH)
            done = await lab.install(NODE_SCRIPT, settings, "join", **PLACE)
            assert done.exit_status == 0, done.stderr
            assert f"the Node object of {NAME} was deleted" in str(done.stdout)
            second = await api.request("GET", PATH)
            assert second["metadata"]["uid"] != first["metadata"]["uid"]
            assert second["spec"]["podCIDR"] != first["spec"]["podCIDR"]
            assert (await run_pod(lab, "second"))["status"]["podIP"] != pod["status"]["podIP"]
            again = await lab.install(NODE_SCRIPT, settings, "join", **PLACE)
            assert "nothing to do" in str(again.stdout)

    run(story())


def test_the_node_of_a_master_registers_again(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await lab.boot(make_machine_spec())
            await lab.install(MASTER_SCRIPT, master_settings())
            api = lab.plane().client(MASTERS)
            await api.request("DELETE", "/api/v1/nodes/k8s-master-one")
            done = await lab.install(MASTER_SCRIPT, master_settings())
            assert done.exit_status == 0, done.stderr
            assert "the Node object of k8s-master-one was deleted" in str(done.stdout)
            node = await api.request("GET", "/api/v1/nodes/k8s-master-one")
            assert "node-role.kubernetes.io/control-plane" in node["metadata"]["labels"]

    run(story())


def test_a_join_waits_while_the_node_of_before_is_still_ready(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            settings = await cluster(lab)
            api = lab.plane().client(MASTERS)
            ready = f"kubectl wait --for=condition=Ready nodes {NAME}"
            admin = 'KUBECONFIG="$SYSROOT/etc/kubernetes/admin.conf"'
            assert (await lab.run(f"{admin} {ready}")).exit_status == 0
            assert (await lab.run("kubeadm reset -f", NODE)).exit_status == 0
            lab.shorten_pauses()
            command = lab.installation(NODE_SCRIPT, settings, "join", instance_id="i-two")
            process = await (await lab.connect(NODE)).create_process(command)
            while line := await process.stdout.readline():
                if line.startswith(f"waiting until the node {NAME} of before is no longer Ready"):
                    await api.request("DELETE", PATH)
                    break
            done = await process.wait()
            assert done.exit_status == 0, done.stderr
            await api.request("GET", PATH)

    run(story())
