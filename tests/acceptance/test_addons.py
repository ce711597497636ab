"""A cluster with all add-ons: what kubectl shows, what answers, and what a teardown leaves."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import yaml

from tests.acceptance.test_kubectl import KUBECTL, Kubectl
from tests.acceptance.workplace import Workplace

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on PATH")

NOTE = "service.beta.kubernetes.io/qingcloud-load-balancer-eip-source"
LABELS = {"app": "shop"}
VOLUME = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
CONTAINER = {
    "name": "nginx",
    "image": "nginx",
    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
}
SHOP = [
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop", "annotations": {NOTE: "allocate"}},
        "spec": {"type": "LoadBalancer", "selector": LABELS, "ports": [{"port": 80}]},
    },
    {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "15Gi"}},
        },
    },
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "shop"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {"containers": [CONTAINER], "volumes": [VOLUME]},
            },
        },
    },
]
ADDONS = {
    "metrics_server": {},
    "cloud_controller": {"account": "local"},
    "csi": {"account": "local"},
}


def until(holds: Callable[[], str], what: str) -> str:
    """Wait until something is there, and return it."""
    end = time.monotonic() + 60
    while not (found := holds()):
        assert time.monotonic() < end, what
        time.sleep(0.3)
    return found


@pytest.fixture
def shop(workplace: Workplace, tmp_path: Path) -> Iterator[Kubectl]:
    """A cluster with all add-ons and one workload that uses them."""
    file, config = tmp_path / "shop.yaml", tmp_path / "shop.kubeconfig"
    file.write_text(yaml.safe_dump({"name": "shop", "addons": ADDONS}))
    done = workplace.run("flows.provision", "--file", str(file), "--no-demo", "--no-ui")
    assert done.code == 0, done.err
    assert "the account's own" in done.err
    assert workplace.run("flows.kubeconfig", "--name", "shop", "--out", str(config)).code == 0
    kubectl = Kubectl(workplace, config)
    objects = tmp_path / "shop.json"
    objects.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": SHOP}))
    kubectl("apply", "-f", str(objects))
    kubectl("rollout", "status", "deployment/shop", "--timeout=60s")
    yield kubectl
    done = workplace.run("flows.teardown", "--name", "shop", "--yes")
    assert done.code == 0, done.err
    assert workplace.cloud()["resources"] == {}  # also what the add-ons have made


def test_add_ons_work_are_used_and_leave_nothing(workplace: Workplace, shop: Kubectl) -> None:
    header, *rows = shop("top", "nodes").splitlines()
    assert (header.split()[0], len(rows)) == ("NAME", 3)

    place = "-o=jsonpath={.status.loadBalancer.ingress[0].ip}"
    address = until(lambda: shop("get", "service", "shop", place), "an address")

    def page() -> str:
        try:
            with urlopen(f"http://{address}/", timeout=5) as reply:
                return str(reply.read().decode())
        except (URLError, OSError):
            return ""

    assert "nginx is up" in until(page, "a page behind the load balancer")

    node = shop("get", "pods", "-l", "app=shop", "-o=jsonpath={.items[0].spec.nodeName}")
    (volume,) = workplace.client().search_volumes("pvc-")
    assert volume.instance_id.removeprefix("i-") == node.rpartition("-")[2]

    refused = workplace.run("flows.addons", "--name", "shop", "--remove", "csi", "--yes")
    assert refused.code == 2
    assert "claims default/data are in use by pods" in refused.sentence
    removed = workplace.run("flows.addons", "--name", "shop", "--remove", "metrics-server")
    assert removed.code == 0, removed.err
    assert "metrics-server" not in shop("get", "deployments", "-n", "kube-system")
