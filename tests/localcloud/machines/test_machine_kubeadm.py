"""kubeadm and kubectl on a machine: refusals, and what outlives a power cut."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from localcloud.kubernetes.client import MASTERS
from tests.localcloud.machines.machine_lab import (
    MASTER,
    NODE,
    TOKEN,
    VPC,
    Lab,
    make_machine_spec,
    master_settings,
    node_settings,
    open_lab,
    run,
)

INIT = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
nodeRegistration: {name: one}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.4
imageRepository: registry.aliyuncs.com/google_containers
networking: {podSubnet: 10.244.0.0/16, serviceSubnet: 10.96.0.0/16}
"""
ADMIN = 'export KUBECONFIG="$SYSROOT/etc/kubernetes/admin.conf";'


async def installed(lab: Lab, **spec: int) -> None:
    """A machine that passes kubeadm's checks, and an init file."""
    await lab.boot(make_machine_spec(**spec))  # type: ignore[arg-type]
    settings = node_settings(NODE_IP=MASTER)
    done = await lab.install("k8s_node_installer.sh", settings, "install")
    assert done.exit_status == 0, done.stderr
    (lab.disk("i-one") / "root/init.yaml").write_text(INIT)


async def master(lab: Lab) -> None:
    await lab.boot(make_machine_spec())
    done = await lab.install("k8s_master_installer.sh", master_settings())
    assert done.exit_status == 0, done.stderr


async def eventually(look: Callable[[], Awaitable[bool]]) -> None:
    """Repeat until it is true; the test's time limit is the deadline."""
    while not await look():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        pytest.param("systemctl stop containerd", "[ERROR CRI]", id="no runtime"),
        pytest.param("sysctl -w net.ipv4.ip_forward=0", "[ERROR FileContent", id="no forwarding"),
        pytest.param(
            "mkdir -p $SYSROOT/etc/kubernetes/manifests && "
            "touch $SYSROOT/etc/kubernetes/manifests/etcd.yaml",
            "[ERROR FileAvailable--etc-kubernetes-manifests-etcd.yaml]",
            id="leftovers",
        ),
        pytest.param(
            "sed -i 's/^# off for kubelet: //' $SYSROOT/etc/fstab && "
            "printf 'Filename\\n/dev/vdb\\n' > $SYSROOT/proc/swaps",
            "failed while waiting for the kubelet to start",
            id="swap",
        ),
        pytest.param(
            "printf 'version = 3\\n' > $SYSROOT/etc/containerd/config.toml && "
            "systemctl restart containerd",
            "failed while waiting for the kubelet to start",
            id="cgroup driver",
        ),
        pytest.param(
            "sed -i s/v1beta4/v1beta3/ init.yaml", "is registered for version", id="old API"
        ),
        pytest.param(
            "sed -i 's/{name: one}/{kubeletExtraArgs: {node-ip: x}}/' init.yaml",
            "strict decoding error", id="arguments as a map",
        ),
        pytest.param(
            "sed -i s/v1.36.4/v1.34.9/ init.yaml",
            "only supports deploying clusters with the control plane version >= 1.35.0. Current "
            "version: v1.34.9", id="old minor",
        ),
        pytest.param(
            "mkdir -p $SYSROOT/var/lib/etcd/member", "[ERROR DirAvailable--var-lib-etcd]",
            id="etcd's data",
        ),
        pytest.param(
            "apt-get install -y --allow-change-held-packages kubeadm=1.36.3-* && "
            "sed -i s/v1.36.4/v1.36.3/ init.yaml",
            "[ERROR KubeletVersion]", id="newer kubelet",
        ),
    ],
)  # fmt: skip
def test_kubeadm_init_refuses_what_the_real_one_refuses(
    tmp_path: Path, spoil: str, sentence: str
) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await installed(lab)
            spoiled = await lab.run(spoil)
            assert spoiled.exit_status == 0, spoiled.stderr
            done = await lab.run("kubeadm init --config init.yaml")
            assert done.exit_status == 1
            assert sentence in str(done.stderr)
            lines = str(done.stderr).splitlines()
            assert lines[-2].startswith("error: ")
            assert lines[-1].startswith("To see the stack trace of this error")

    run(story())


def test_why_a_kubelet_does_not_run_is_in_its_journal_only(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await installed(lab)
            await lab.run("printf 'Filename\\n/dev/vdb\\n' > $SYSROOT/proc/swaps")
            done = await lab.run("kubeadm init --config init.yaml")
            assert "with swap on" not in str(done.stdout) + str(done.stderr)
            journal = await lab.run("journalctl -u kubelet --no-pager")
            assert "running with swap on is not supported" in str(journal.stdout)

    run(story())


def test_kubeadm_init_needs_two_processors_and_lists_all_errors(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await installed(lab, vcpus=1, memory_mib=1024)
            done = await lab.run("kubeadm init --config init.yaml")
            assert "[ERROR NumCPU]" in str(done.stderr)
            assert "[ERROR Mem]" in str(done.stderr)

    run(story())


def test_kubeadm_reset_allows_another_init(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await installed(lab)
            assert (await lab.run("kubeadm init --config init.yaml")).exit_status == 0
            assert (await lab.run("kubeadm init --config init.yaml")).exit_status != 0
            done = await lab.run("kubeadm reset -f")
            assert "Deleted contents of the etcd data directory: /var/lib/etcd" in str(done.stdout)
            pki = lab.disk("i-one") / "etc/kubernetes/pki"
            assert pki.is_dir()
            assert not [*pki.iterdir()]
            again = await lab.run("kubeadm init --config init.yaml")
            assert again.exit_status == 0, again.stderr

    run(story())


def test_a_cluster_resumes_after_a_power_cut(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            await lab.boot(make_machine_spec("i-two", NODE))
            settings = node_settings(JOIN_TOKEN=TOKEN, CA_HASH=lab.plane().ca_hash)
            place = {"instance_id": "i-two", "address": NODE}
            joined = await lab.install("k8s_node_installer.sh", settings, **place)
            assert joined.exit_status == 0, joined.stderr
            await lab.run(f"{ADMIN} kubectl create namespace kept")

            await lab.machines.halt("i-one")
            assert not lab.plane().is_running
            with pytest.raises(ConnectionRefusedError):
                lab.fabric.dial("rtr-lab", NODE, MASTER, 6443)
            await lab.machines.halt("i-two")
            await lab.boot(make_machine_spec("i-two", NODE))
            await lab.boot(make_machine_spec("i-one", MASTER))

            assert (await lab.run(f"{ADMIN} kubectl get namespace kept")).exit_status == 0
            ready = "kubectl wait --for=condition=Ready nodes k8s-master-one k8s-node-two"
            assert (await lab.run(f"{ADMIN} {ready}")).exit_status == 0
            again = await lab.install("k8s_master_installer.sh", master_settings())
            assert "nothing to do" in str(again.stdout)

    run(story())


def test_a_stopped_kubelet_recovers(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            assert (await lab.run("systemctl stop kubelet")).exit_status == 0
            assert (await lab.run("systemctl is-active kubelet")).stdout == "inactive\n"
            assert lab.plane().is_running
            assert (await lab.run("systemctl start kubelet")).exit_status == 0
            assert (await lab.run("systemctl is-active kubelet")).stdout == "active\n"

    run(story())


def test_a_port_of_the_kubelet_that_another_program_has_is_reported(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await installed(lab)
            lab.fabric.listen(VPC, MASTER, 10250, lambda connection, peer: connection.close())
            done = await lab.run("kubeadm init --config init.yaml")
            assert done.exit_status == 1
            assert "[ERROR Port-10250]: Port 10250 is in use" in str(done.stderr)

    run(story())


def test_kubectl_has_the_rights_of_its_kubeconfig(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            nothing = await lab.run("kubectl get nodes")
            assert "localhost:8080 was refused" in str(nothing.stderr)
            node = 'kubectl --kubeconfig "$SYSROOT/etc/kubernetes/kubelet.conf" get clusterroles'
            assert "Forbidden" in str((await lab.run(node)).stderr)
            await lab.plane().stop()
            gone = await lab.run(f"{ADMIN} kubectl get nodes")
            assert "was refused" in str(gone.stderr)

    run(story())


def test_kubectl_apply_removes_fields_that_left_the_manifest(tmp_path: Path) -> None:
    manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: words}, data: {%s}}"

    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            for data, word in (
                ("a: x, b: y", "created"), ("a: x, b: y", "unchanged"), ("a: z", "configured"),
            ):  # fmt: skip
                done = await lab.run(f"{ADMIN} kubectl apply -f -", stdin=manifest % data)
                assert done.stdout == f"configmap/words {word}\n", done.stderr
            seen = await lab.run(f"{ADMIN} kubectl get cm words -o jsonpath='{{.data}}'")
            assert seen.stdout == '{"a": "z"}'
            path = "/api/v1/namespaces/default/configmaps/words"
            change, merge = {"data": {"a": "other"}}, "application/merge-patch+json"
            api = lab.plane().client(MASTERS)
            await api.request("PATCH", path, body=change, content_type=merge)
            done = await lab.run(f"{ADMIN} kubectl apply -f -", stdin=manifest % "a: z")
            assert done.stdout == "configmap/words configured\n", done.stderr

    run(story())


def test_kubectl_reads_objects(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            table = str((await lab.run(f"{ADMIN} kubectl get nodes")).stdout).splitlines()
            assert table[0].split() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
            assert table[1].split()[0] == "k8s-master-one"
            names = await lab.run(f"{ADMIN} kubectl -n kube-system get ds -o name")
            assert names.stdout == "daemonset.apps/kube-proxy\n"
            missing = await lab.run(f"{ADMIN} kubectl get pod none")
            assert missing.stderr == 'Error from server (NotFound): pods "none" not found\n'
            unknown = await lab.run(f"{ADMIN} kubectl get wishes")
            assert 'resource type "wishes"' in str(unknown.stderr)

    run(story())


def test_coredns_stays_on_the_masters(tmp_path: Path) -> None:
    async def story() -> None:
        async with open_lab(tmp_path) as lab:
            await master(lab)
            await lab.boot(make_machine_spec("i-two", NODE))
            settings = node_settings(JOIN_TOKEN=TOKEN, CA_HASH=lab.plane().ca_hash)
            place = {"instance_id": "i-two", "address": NODE}
            await lab.install("k8s_node_installer.sh", settings, **place)
            api = lab.plane().client(MASTERS)

            async def settled() -> bool:
                query = {"labelSelector": "k8s-app=kube-dns"}
                path = "/api/v1/namespaces/kube-system/pods"
                pods = (await api.request("GET", path, query=query))["items"]
                places = [pod["spec"].get("nodeName") for pod in pods]
                return len(places) == 2 and set(places) == {"k8s-master-one"}

            await eventually(settled)

    run(story())
