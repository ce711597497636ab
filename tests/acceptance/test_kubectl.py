"""A real kubectl on a provisioned cluster: the everyday commands."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.workplace import ROOT, Workplace

KUBECTL = shutil.which("kubectl")
pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on PATH")

MANIFEST = ROOT / "installers" / "manifests" / "nginx.yaml"


class Kubectl:
    def __init__(self, workplace: Workplace, kubeconfig: Path) -> None:
        self._environment = workplace.environment
        self._options = ["--kubeconfig", str(kubeconfig)]

    def __call__(self, *words: str) -> str:
        assert KUBECTL is not None
        done = subprocess.run(
            [KUBECTL, *self._options, *words],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def kubectl(cluster: Workplace, kubeconfig: Path) -> Kubectl:
    return Kubectl(cluster, kubeconfig)


def test_nodes_are_ready(kubectl: Kubectl) -> None:
    header, *rows = kubectl("get", "nodes").splitlines()
    assert header.split() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert [row.split()[1] for row in rows] == ["Ready"] * 3
    assert {row.split()[2] for row in rows} == {"control-plane", "worker"}


def test_the_demo_is_listed(kubectl: Kubectl) -> None:
    seen = kubectl("get", "rc,svc,pods")
    assert "replicationcontroller/nginx" in seen
    assert "service/nginxservice" in seen
    assert seen.count("1/1") == 3


def test_a_controller_is_created_from_a_file_and_scaled(kubectl: Kubectl, tmp_path: Path) -> None:
    kubectl("create", "namespace", "article")
    file = tmp_path / "nginx-rc.yaml"
    file.write_text(MANIFEST.read_text().replace("namespace: default", "namespace: article"))
    assert "replicationcontroller/nginx created" in kubectl("create", "-f", str(file))
    kubectl("-n", "article", "scale", "rc", "nginx", "--replicas=5")
    kubectl("-n", "article", "wait", "pod", "-l", "app=nginx", "--for=condition=Ready")
    pods = kubectl("-n", "article", "get", "pods", "-o", "name").split()
    assert len(pods) == 5
    kubectl("delete", "namespace", "article", "--timeout=60s")


def test_a_deployment_is_created_and_rolls_out(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=nginx", "--replicas=2")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/web")
    kubectl("delete", "deployment", "web")


def test_a_node_is_described_drained_and_uncordoned(kubectl: Kubectl) -> None:
    node = kubectl("get", "nodes", "-l", "k8s-qingcloud/group=k8s-node", "-o", "name").split()[0]
    described = kubectl("describe", node)
    assert "k8s-qingcloud/instance=i-" in described
    assert "Non-terminated Pods" in described
    name = node.removeprefix("node/")
    drained = kubectl("drain", name, "--ignore-daemonsets", "--timeout=60s")
    assert f"node/{name} drained" in drained
    assert "SchedulingDisabled" in kubectl("get", "node", name)
    kubectl("uncordon", name)
    assert "SchedulingDisabled" not in kubectl("get", "node", name)
