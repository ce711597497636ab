"""Everyday commands of kubectl, in each installed version."""

import os
import random
import re
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from localcloud.clock import WallClock
from localcloud.fabric import Fabric
from localcloud.kubernetes.client import MASTERS
from localcloud.kubernetes.kubelet import Kubelet, NodeConfig
from localcloud.kubernetes.planes import Planes
from localcloud.kubernetes.real.assets import find_assets
from localcloud.profiles import PROFILES
from tests.localcloud.kubernetes.api.conftest import MASTER, Kubectl, serving
from tests.localcloud.kubernetes.api.test_api_kubectl import NGINX
from tests.localcloud.kubernetes.sample_cluster import daemon_set

OLDEST = 29  # as documented; upstream supports no older ones
NODES = ("worker-1", "worker-2")


def found_programs() -> list[Path]:
    """Return the kubectl on PATH, and those beside it named `kubectl.1.N`."""
    first = shutil.which("kubectl")
    if first is None:
        return []
    beside = Path(first).resolve().parent.glob("kubectl.1.*")
    versions = {
        int(match[1]): path for path in beside if (match := re.search(r"(\d+)$", path.name))
    }
    return [Path(first), *(versions[minor] for minor in sorted(versions) if minor >= OLDEST)]


@pytest.fixture(scope="module")
def cluster(plane_config, authority, tmp_path_factory):
    """A plane and two nodes that run pods; on the real engine where its programs are available."""
    clock, profile, assets = WallClock(), PROFILES["instant"], find_assets(os.environ)
    planes, fabric = Planes(clock, profile, random.Random(7), assets=assets), Fabric()
    config = replace(
        plane_config,
        dial=partial(fabric.dial, "rtr-test", MASTER),
        data=tmp_path_factory.mktemp("machine") / "cluster.db",
    )
    plane = planes.create(config)
    with serving(plane, authority, tmp_path_factory.mktemp("cluster")) as server:
        api = plane.client(MASTERS)
        kubelets = [
            Kubelet(api, machine(name, number), fabric, WallClock(), PROFILES["instant"])
            for number, name in enumerate(NODES)
        ]
        for kubelet in kubelets:
            server.run(kubelet.start())
        path = "/apis/apps/v1/namespaces/kube-system/daemonsets"
        server.call("POST", path, body=daemon_set("flannel", "flannel"))
        yield server
        for kubelet in kubelets:
            server.run(kubelet.stop())


def machine(name: str, number: int) -> NodeConfig:
    return NodeConfig(
        name=name,
        vpc="rtr-test",
        address=f"192.168.100.{10 + number}",
        version="v1.36.4",
        max_pods=40,
        vcpus=4,
        memory_mib=8192,
        os_image="Ubuntu 24.04 LTS",
        labels={},
        taints=(),
        static_pods=(),
    )


PROGRAMS: list[Any] = [*found_programs()] or [
    pytest.param(None, marks=pytest.mark.skip("no kubectl on PATH"))
]


@pytest.fixture(
    params=PROGRAMS,
    ids=lambda path: path.name if path else "none",
)
def kubectl(request, cluster):
    """One version of kubectl, with a cache and a namespace of its own."""
    (cluster.folder / request.param.name).mkdir()
    tool = Kubectl(str(request.param), cluster)
    tool.env["HOME"] = str(cluster.folder / request.param.name)
    space = "day-" + request.param.name.replace(".", "-")
    tool("create", "namespace", space)
    tool("config", "set-context", "--current", f"--namespace={space}")
    return tool


def test_everyday_commands(kubectl, tmp_path):
    looks_around(kubectl)
    runs_the_demo(kubectl)
    applies(kubectl, tmp_path / "settings.yaml")
    rolls_out(kubectl)
    tends_nodes(kubectl)
    creates_by_hand(kubectl)
    runs_one_pod(kubectl)
    assert "deleted" in kubectl("delete", "rc,svc,deployment", "--all")


def looks_around(kubectl):
    assert "Server Version: v1.36." in kubectl("version")
    assert "is running at" in kubectl("cluster-info")
    assert "deployments" in kubectl("api-resources")
    kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=60s")
    assert [row.split()[1] for row in kubectl("get", "nodes", "--no-headers").splitlines()] == [
        "Ready",
        "Ready",
    ]
    assert kubectl("get", "nodes", "-o", "wide").count("containerd://") == 2
    assert "flannel" in kubectl("get", "all", "-A")
    assert "Non-terminated Pods" in kubectl("describe", "node", NODES[0])
    assert kubectl("auth", "can-i", "delete", "nodes").strip() == "yes"
    assert "kubeadm:cluster-admins" in kubectl("auth", "whoami")
    assert kubectl("get", "--raw", "/readyz") == "ok"


def runs_the_demo(kubectl):
    kubectl("create", "-f", "-", stdin=NGINX)
    kubectl("scale", "rc", "nginx", "--replicas=5")
    kubectl("wait", "rc/nginx", "--for=jsonpath={.status.readyReplicas}=5", "--timeout=60s")
    pods = kubectl("get", "pods", "-l", "app=nginx-demo", "--chunk-size=2", "-o", "name").split()
    assert len(pods) == 5
    assert "SuccessfulCreate" in kubectl("describe", "rc", "nginx")
    assert "Successfully assigned" in kubectl("describe", pods[0])
    assert "simulated container" in kubectl("logs", pods[0])
    assert "nginxservice" in kubectl("get", "endpointslices")
    assert "Scheduled" in kubectl("events", "--for", pods[0])
    space = kubectl("config", "view", "--minify", "-o", "jsonpath={..namespace}")
    page = f"/api/v1/namespaces/{space}/services/nginxservice/proxy/"
    assert "nginx" in kubectl("get", "--raw", page)
    kubectl("label", pods[0], "tier=front")
    kubectl("annotate", pods[0], "note=here")
    assert kubectl("get", "pods", "-l", "tier=front", "-o", "name").split() == pods[:1]


def applies(kubectl, manifest):
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '%s'}\n"
    manifest.write_text(text % 1)
    assert "created" in kubectl("apply", "-f", str(manifest))
    assert "unchanged" in kubectl("apply", "-f", str(manifest))
    manifest.write_text(text % 2)
    assert '+  a: "2"' in kubectl.try_run("diff", "-f", str(manifest)).stdout
    assert "configured" in kubectl("apply", "-f", str(manifest))
    assert "applied" in kubectl("apply", "--server-side", "--force-conflicts", "-f", str(manifest))
    manifest.write_text(text % 3)
    kubectl("replace", "-f", str(manifest))
    kubectl("patch", "cm", "settings", "--type=merge", "-p", '{"data": {"b": "4"}}')
    assert kubectl("get", "cm", "settings", "-o", "jsonpath={.data}") == '{"a":"3","b":"4"}'


def rolls_out(kubectl):
    kubectl("create", "deployment", "web", "--image=nginx:1.27", "--replicas=2")
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    kubectl("set", "image", "deployment/web", "nginx=nginx:1.28")
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    kubectl("rollout", "restart", "deployment/web")
    kubectl("rollout", "undo", "deployment/web")
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    assert "nginx:1.28" in kubectl("get", "deployment", "web", "-o", "wide")
    kubectl("expose", "deployment", "web", "--port=80", "--type=NodePort")
    assert "NodePort" in kubectl("get", "service", "web")


def tends_nodes(kubectl):
    name = NODES[0]
    kubectl("cordon", name)
    assert "SchedulingDisabled" in kubectl("get", "node", name)
    kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=1")
    drained = kubectl("drain", name, "--ignore-daemonsets", "--timeout=60s", "--force")
    assert f"node/{name} drained" in drained
    kubectl("uncordon", name)
    kubectl("taint", "node", name, "x=y:NoSchedule")
    assert "x=y:NoSchedule" in kubectl("describe", "node", name)
    kubectl("taint", "node", name, "x-")


def creates_by_hand(kubectl):
    for words in (
        ("secret", "generic", "keys", "--from-literal=password=hidden"),
        ("configmap", "more", "--from-literal=a=1"),
        ("serviceaccount", "robot"),
        ("role", "reader", "--verb=get,list", "--resource=pods"),
        ("rolebinding", "readers", "--role=reader", "--serviceaccount=default:robot"),
        ("service", "clusterip", "plain", "--tcp=80"),
    ):
        kubectl("create", *words)
    assert kubectl("create", "token", "robot").count(".") == 2


def runs_one_pod(kubectl):
    kubectl("run", "one", "--image=nginx", "--port=80")
    kubectl("wait", "pod/one", "--for=condition=Ready", "--timeout=60s")
    assert kubectl.try_run("exec", "one", "--", "id").returncode != 0
    kubectl("delete", "pod", "one", "--timeout=60s")
    assert "NotFound" in kubectl.try_run("get", "pod", "one").stderr
