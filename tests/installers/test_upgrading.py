"""The upgrade of machines in place, run by bash on machines of the local cloud."""

from collections.abc import Mapping
from pathlib import Path

import asyncssh

from localcloud.kubernetes.client import MASTERS
from tests.installers.test_installing import words
from tests.localcloud.machines.machine_lab import (
    MASTER,
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

SCRIPT = "k8s_upgrade_installer.sh"
OLD, NEW = "1.35.9", "1.36.4"
PLACE = {"instance_id": "i-two", "address": NODE}


async def two_machines(lab: Lab) -> None:
    """A master and a node of the old version."""
    await lab.boot(make_machine_spec("i-one", MASTER))
    done = await lab.install(MASTER_SCRIPT, master_settings(K8S_VERSION=OLD))
    assert done.exit_status == 0, done.stderr
    await lab.boot(make_machine_spec("i-two", NODE))
    secrets = {"JOIN_TOKEN": TOKEN, "CA_HASH": lab.plane().ca_hash}
    done = await lab.install(NODE_SCRIPT, node_settings(K8S_VERSION=OLD, **secrets), **PLACE)
    assert done.exit_status == 0, done.stderr


async def upgrade(lab: Lab, *step: str, node: bool = False) -> asyncssh.SSHCompletedProcess:
    settings = node_settings() if node else master_settings()
    wanted = {name: settings[name] for name in ("NODE_NAME", "NODE_IP")} | {"K8S_VERSION": NEW}
    place: Mapping[str, str] = PLACE if node else {}
    return await lab.install(SCRIPT, wanted, *step, **place)


async def versions(lab: Lab) -> dict[str, str]:
    nodes = await lab.plane().client(MASTERS).request("GET", "/api/v1/nodes")
    return {
        one["metadata"]["name"]: one["status"]["nodeInfo"]["kubeletVersion"]
        for one in nodes["items"]
    }


def test_a_master_and_then_a_node_are_upgraded_and_a_second_run_has_nothing_to_do(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await two_machines(lab)
            prepared = await upgrade(lab, "prepare")
            assert words(prepared.stdout) == {
                "preflight": "ok", "membership": "ok", "kubeadm": "ok", "images": "ok"
            }  # fmt: skip
            assert set((await versions(lab)).values()) == {f"v{OLD}"}
            done = await upgrade(lab, "upgrade")
            assert done.exit_status == 0, done.stderr
            assert await versions(lab) == {
                "k8s-master-one": f"v{NEW}", "k8s-node-two": f"v{OLD}"
            }  # fmt: skip
            client = lab.plane().client(MASTERS)
            path = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"
            coredns = (await client.request("GET", path))["spec"]["template"]["spec"]
            assert "node-role.kubernetes.io/control-plane" in coredns["nodeSelector"]
            assert coredns["containers"][0]["image"].endswith("v1.14.2")

            done = await upgrade(lab, node=True)
            assert done.exit_status == 0, done.stderr
            assert set((await versions(lab)).values()) == {f"v{NEW}"}
            for is_node in (False, True):
                again = await upgrade(lab, node=is_node)
                assert str(again.stdout).rstrip().endswith("nothing to do.")
            held = await lab.run("apt-mark showhold", NODE)
            assert {"kubeadm", "kubelet", "kubectl"} <= set(str(held.stdout).split())

    run(story())


def test_a_node_before_its_master_and_a_machine_without_a_cluster_are_refused(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await two_machines(lab)
            done = await upgrade(lab, node=True)
            assert done.exit_status == 36
            assert f"has version {OLD}; upgrade all masters before" in str(done.stderr)
            done = await upgrade(lab, "upgrade")
            assert done.exit_status == 36
            assert "run the step prepare first" in str(done.stderr)
            (lab.disk("i-two") / "etc/kubernetes/kubelet.conf").unlink()
            done = await upgrade(lab, node=True)
            assert done.exit_status == 2
            assert "nothing to upgrade" in str(done.stderr)

    run(story())
