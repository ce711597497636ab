"""The client against the local cloud's API server: the article's demo, a drain, a second run."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import Any

import pytest

from clients.kubernetes import ClusterClient
from domain.cluster.join_tokens import delete_old_tokens, delete_token, publish_token
from domain.kernel.errors import ApiRejected
from domain.secrets.kubeconfig import ClusterAccess
from domain.secrets.pki import (
    ADMINS,
    BootstrapToken,
    ca_hash,
    make_bootstrap_token,
    make_client_certificate,
    make_cluster_ca,
    make_server_certificate,
)
from localcloud.clock import WallClock
from localcloud.fabric import Fabric
from localcloud.kubernetes.client import MASTERS
from localcloud.kubernetes.kubelet import Kubelet, NodeConfig
from localcloud.kubernetes.planes import Plane, PlaneConfig, Planes
from localcloud.profiles import PROFILES
from tests.loopback_door import LoopbackDoor

VPC, MASTER = "rtr-1", IPv4Address("192.168.1.2")
CONTROL_PLANE_TAINT = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
ETCD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "etcd", "namespace": "kube-system"},
    "spec": {"containers": [{"name": "etcd", "image": "etcd:3.6"}], "hostNetwork": True},
}
CONTAINERS = [{"name": "nginx", "image": "nginx:latest", "ports": [{"containerPort": 80}]}]
RC: Any = {
    "apiVersion": "v1",
    "kind": "ReplicationController",
    "metadata": {"name": "nginx", "namespace": "default"},
    "spec": {
        "replicas": 3,
        "selector": {"app": "nginx"},
        "template": {
            "metadata": {"labels": {"app": "nginx"}},
            "spec": {"containers": CONTAINERS},
        },
    },
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "nginxservice", "namespace": "default"},
    "spec": {"selector": {"app": "nginx"}, "ports": [{"port": 80}]},
}
NETWORK = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "flannel", "namespace": "kube-system"},
    "spec": {
        "selector": {"matchLabels": {"app": "flannel"}},
        "template": {
            "metadata": {"labels": {"app": "flannel"}},
            "spec": {
                "containers": [{"name": "flannel", "image": "flannel:1"}],
                "tolerations": [{"operator": "Exists"}],
                "hostNetwork": True,
            },
        },
    },
}
BUDGET = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "nginx", "namespace": "default"},
    "spec": {"minAvailable": 3, "selector": {"matchLabels": {"app": "nginx"}}},
}


class LocalCluster:
    """One plane with a master and two nodes, in a thread; its API is published on loopback."""

    def __init__(self) -> None:
        now, day = datetime.now(UTC), timedelta(days=1)
        self._ca = make_cluster_ca(now)
        self._server = make_server_certificate(self._ca, ["127.0.0.1"], now, day)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.call(self._start())
        admin = make_client_certificate(self._ca, "kubernetes-admin", ADMINS, now, day)
        url = f"https://127.0.0.1:{self.port}"
        self.access = ClusterAccess(url, self._ca.certificate, admin.certificate, admin.key)

    def call(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _start(self) -> None:
        clock, profile, fabric = WallClock(), PROFILES["instant"], Fabric()
        planes = Planes(clock, profile)
        self.plane: Plane = planes.create(self._config(fabric))
        assert planes.find(self.plane.config.vpc, ca_hash(self._ca.certificate)) is self.plane
        await self.plane.start()
        self._kubelets = [
            Kubelet(self.plane.client(MASTERS), node, fabric, clock, profile)
            for node in self._nodes()
        ]
        for kubelet in self._kubelets:
            await kubelet.start()
        self._door = LoopbackDoor(self._dial)
        self.port = await self._door.open()

    def _dial(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setblocking(False)
        self.plane.accept(theirs, "192.168.1.1")
        return ours

    def _config(self, fabric: Fabric) -> PlaneConfig:
        return PlaneConfig(
            name="demo",
            version="v1.36.4",
            vpc=VPC,
            address=str(MASTER),
            ca_certificate=self._ca.certificate.encode(),
            ca_key=self._ca.key.encode(),
            server_certificate=self._server.certificate.encode(),
            server_key=self._server.key.encode(),
            pod_cidr="10.244.0.0/16",
            service_cidr="10.96.0.0/16",
            bootstrap_tokens=(),
            dial=lambda address, port: fabric.dial(VPC, str(MASTER), address, port),
        )

    def _nodes(self) -> Iterator[NodeConfig]:
        for number, name in enumerate(("k8s-master-a", "k8s-node-b", "k8s-node-c")):
            yield NodeConfig(
                name=name,
                vpc=VPC,
                address=str(MASTER + number),
                version="v1.36.4",
                max_pods=42,
                vcpus=4,
                memory_mib=8192,
                os_image="Ubuntu 24.04 LTS",
                labels={},
                taints=(CONTROL_PLANE_TAINT,) if number == 0 else (),
                static_pods=(ETCD,) if number == 0 else (),
            )

    def close(self) -> None:
        async def close() -> None:
            await self._door.close()
            for kubelet in self._kubelets:
                await kubelet.stop()
            await self.plane.stop()
            rest = asyncio.all_tasks() - {asyncio.current_task()}
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        self.call(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture(scope="module")
def local() -> Iterator[LocalCluster]:
    local = LocalCluster()
    yield local
    local.close()


@pytest.fixture
def cluster(local: LocalCluster) -> Iterator[ClusterClient]:
    with ClusterClient(local.access) as client:
        client.apply(NETWORK)
        yield client
        for kind, name in (
            ("PodDisruptionBudget", "nginx"),
            ("Service", "nginxservice"),
            ("ReplicationController", "nginx"),
        ):
            client.delete(kind, name)
        eventually(lambda: not client.list_pods(namespace="default"))


def eventually(holds: Callable[[], bool], tries: int = 400) -> None:
    """Look until it holds, with short pauses in between."""
    pause = threading.Event()
    for _ in range(tries):
        if holds():
            return
        pause.wait(0.05)
    raise AssertionError("it never came true")


def running(cluster: ClusterClient, count: int) -> Callable[[], bool]:
    def holds() -> bool:
        return [pod.ready for pod in cluster.list_pods(selector="app=nginx")] == [True] * count

    return holds


def test_server_version_is_read(cluster: ClusterClient) -> None:
    assert cluster.is_ready()
    assert cluster.read_version() == "v1.36.4"


def test_nodes_become_ready_once_there_is_a_network(cluster: ClusterClient) -> None:
    eventually(lambda: all(node.ready for node in cluster.list_nodes()))
    nodes = cluster.list_nodes()
    assert [node.name for node in nodes] == ["k8s-master-a", "k8s-node-b", "k8s-node-c"]
    assert [node.address for node in nodes] == ["192.168.1.2", "192.168.1.3", "192.168.1.4"]
    assert {node.pods_allocatable for node in nodes} == {42}


def test_the_demo_runs_and_its_page_comes_through_the_service_proxy(
    cluster: ClusterClient,
) -> None:
    assert cluster.apply(RC)
    assert cluster.apply(SERVICE)
    eventually(running(cluster, 3))
    page = cluster.fetch_service_page("default", "nginxservice")
    assert "nginx" in page.lower()


def test_a_second_run_changes_nothing(cluster: ClusterClient) -> None:
    for manifest in (RC, SERVICE, BUDGET):
        assert cluster.apply(manifest)
    eventually(running(cluster, 3))
    for manifest in (RC, SERVICE, BUDGET, NETWORK):
        assert not cluster.apply(manifest)


def test_a_changed_count_is_patched(cluster: ClusterClient) -> None:
    cluster.apply(RC)
    assert cluster.apply({**RC, "spec": {**RC["spec"], "replicas": 5}})
    eventually(running(cluster, 5))


def test_only_workload_pods_are_counted(cluster: ClusterClient) -> None:
    cluster.apply(RC)
    eventually(running(cluster, 3))
    every = cluster.list_pods()
    assert {"DaemonSet", "ReplicationController"} <= {pod.owner for pod in every}
    assert [pod.name for pod in every if pod.is_mirror] == ["etcd-k8s-master-a"]
    counted = cluster.count_workload_pods()
    assert sum(counted.values()) == 3
    for node in ("k8s-node-b", "k8s-node-c"):
        listed = [pod for pod in cluster.list_pods(node=node) if pod.is_workload]
        assert counted.get(node, 0) == len(listed)


def test_a_pod_without_a_place_is_counted_without_a_node(cluster: ClusterClient) -> None:
    for node in cluster.list_nodes():
        cluster.set_schedulable(node.name, False)
    cluster.apply(RC)
    eventually(lambda: cluster.count_workload_pods() == {"": 3})
    for node in cluster.list_nodes():
        cluster.set_schedulable(node.name, True)
    eventually(running(cluster, 3))


def test_a_budget_holds_a_pod_until_it_is_gone(cluster: ClusterClient) -> None:
    cluster.apply(RC)
    cluster.apply(BUDGET)
    eventually(running(cluster, 3))
    pod = cluster.list_pods(selector="app=nginx")[0]
    assert not cluster.evict(pod)
    cluster.delete("PodDisruptionBudget", "nginx")
    assert cluster.evict(pod)
    eventually(lambda: pod.uid not in {p.uid for p in cluster.list_pods(selector="app=nginx")})
    assert cluster.evict(pod)  # deleted already


def test_labels_and_cordons_show_on_the_node(cluster: ClusterClient) -> None:
    labels = {"node-role.kubernetes.io/worker": "", "k8s-qingcloud/group": "k8s-node"}
    cluster.label_node("k8s-node-b", labels)
    cluster.set_schedulable("k8s-node-b", False)
    node = next(node for node in cluster.list_nodes() if node.name == "k8s-node-b")
    assert labels.items() <= node.labels.items()
    assert not node.schedulable
    cluster.set_schedulable("k8s-node-b", True)
    assert all(node.schedulable for node in cluster.list_nodes())


@pytest.mark.parametrize(
    "manifest",
    [
        {"kind": "ConfigMap", "apiVersion": "v1", "data": {"spec.yaml": "a: 1\n"}},
        {"kind": "Secret", "apiVersion": "v1", "stringData": {"token": "x"}},
        {"kind": "ServiceAccount", "apiVersion": "v1"},
    ],
    ids=lambda manifest: manifest["kind"],
)
def test_objects_are_written_once_and_read_back(cluster: ClusterClient, manifest: Any) -> None:
    named = {**manifest, "metadata": {"name": "kept", "namespace": "kube-system"}}
    assert cluster.apply(named)
    assert not cluster.apply(named)
    found = cluster.read(manifest["kind"], "kept", "kube-system")
    assert found is not None
    assert cluster.delete(manifest["kind"], "kept", "kube-system")
    assert not cluster.delete(manifest["kind"], "kept", "kube-system")
    assert cluster.read(manifest["kind"], "kept", "kube-system") is None


def test_token_authenticates_its_account(cluster: ClusterClient) -> None:
    account = {"name": "viewer", "namespace": "kube-system"}
    cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    assert cluster.create_token("kube-system", "viewer", 3600).count(".") == 2


def test_tokens_of_killed_runs_are_found_and_those_of_users_stay(cluster: ClusterClient) -> None:
    before = list(cluster.list_join_tokens())
    ours, users = make_bootstrap_token(), BootstrapToken("abcdef.0123456789abcdef")
    expires = datetime.now(UTC) + timedelta(hours=2)
    for token in (ours, users):
        publish_token(cluster, token, expires)
    assert sorted(cluster.list_join_tokens()) == sorted([*before, ours.id, users.id])
    assert ours.id in delete_old_tokens(cluster).did
    assert users.id in cluster.list_join_tokens()
    delete_token(cluster, users)


def test_a_cordon_that_acts_after_its_mark_was_removed_changes_nothing(
    cluster: ClusterClient,
) -> None:
    node, mark = "k8s-node-b", "k8s-qingcloud/cordoned"
    cluster.annotate_node(node, {mark: None})
    with pytest.raises(ApiRejected):
        cluster.cordon_marked(node, mark)
    assert next(one for one in cluster.list_nodes() if one.name == node).schedulable
    cluster.annotate_node(node, {mark: "true"})
    cluster.cordon_marked(node, mark)
    assert not next(one for one in cluster.list_nodes() if one.name == node).schedulable
    cluster.set_schedulable(node, True)
    cluster.annotate_node(node, {mark: None})


def test_deprecated_apis_are_named_once_clients_use_them(cluster: ClusterClient) -> None:
    assert cluster.read_requested_apis() == []
    cluster._wire.get("/api/v1/endpoints")
    assert [one.name for one in cluster.read_requested_apis()] == ["endpoints of v1"]
