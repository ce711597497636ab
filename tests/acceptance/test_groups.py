"""A second group of nodes grows from zero for the pods that only it holds; a machine is adopted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from domain.cloud.records import InstanceSpec
from tests.acceptance.test_deploying import wait_for
from tests.acceptance.test_kubectl import KUBECTL, Kubectl
from tests.acceptance.workplace import Workplace

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on PATH")

FAST = {
    "template": {
        "instance_type": "s1.xlarge.r2",
        "labels": {"disk": "ssd"},
        "taints": "fast=true:NoSchedule",
    },
    "scaling": {"preset": "pending", "cooldown_out_seconds": 0},
}
PODS = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "train", "namespace": "default"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "train"}},
        "template": {
            "metadata": {"labels": {"app": "train"}},
            "spec": {
                "nodeSelector": {"disk": "ssd"},
                "tolerations": [{"key": "fast", "operator": "Exists"}],
                "containers": [{"name": "nginx", "image": "nginx"}],
            },
        },
    },
}


@pytest.fixture(scope="module")
def mixed(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of a cluster with one node, and with a group that is empty."""
    file = tmp_path_factory.mktemp("mixed") / "mixed.yaml"
    file.write_text(
        yaml.safe_dump({"name": "mixed", "nodes": {"count": 1}, "groups": {"fast": FAST}})
    )
    done = workplace.run("flows.provision", "--file", str(file), "--no-demo", "--no-ui")
    assert done.code == 0, done.err
    yield file
    assert workplace.run("flows.teardown", "--name", "mixed", "--yes").code == 0


@pytest.fixture(scope="module")
def kubectl(workplace: Workplace, mixed: Path) -> Kubectl:
    config = mixed.with_suffix(".kubeconfig")
    assert workplace.run("flows.kubeconfig", "--name", "mixed", "--out", str(config)).code == 0
    return Kubectl(workplace, config)


def test_a_machine_that_exists_becomes_a_node_and_is_released(
    workplace: Workplace, kubectl: Kubectl
) -> None:
    cloud = workplace.client()
    pattern = next(
        one for one in cloud.find_instances("k8s.mixed.") if one.name.endswith("k8s-node")
    )
    other = InstanceSpec(
        name="shop",
        count=1,
        image_id=pattern.image_id,
        type_id=pattern.type_id,
        disk_gib=40,
        vxnet_id=pattern.vxnet_id,
        keypair_id=pattern.keypair_ids[0],
        security_group_id=pattern.security_group_id,
        userdata_attachment="",
    )
    [machine] = cloud.run_instances(other).instance_ids
    wait_for(lambda: cloud.read_instances([machine])[0].is_up)
    words = ("flows.adopt", "--name", "mixed", "--machine", machine)
    adopted = workplace.run(*words, "--accept-new-host-key", "--json").json
    assert [node["adopted"] for node in adopted["nodes"] if node["ready"]].count(machine) == 1
    assert len(adopted["machines"]) == 2

    released = workplace.run(*words, "--release", "--json").json
    assert machine not in [node["adopted"] for node in released["nodes"]]
    assert cloud.read_instances([machine])[0].is_up
    cloud.terminate_instances([machine])


def test_a_group_grows_from_zero_for_the_pods_that_only_it_holds(
    workplace: Workplace, mixed: Path, kubectl: Kubectl, tmp_path: Path
) -> None:
    pods = tmp_path / "pods.json"
    pods.write_text(json.dumps(PODS))
    kubectl("apply", "-f", str(pods))
    condition = "jsonpath={.status.conditions[0].reason}=Unschedulable"
    kubectl("wait", "pod", "-l", "app=train", f"--for={condition}", "--timeout=30s")

    found = workplace.run("flows.autoscale", "--name", "mixed", "--json").json
    [further] = found["further"]
    assert (found["group"], found["kind"]) == ("k8s-node", "hold")
    assert (further["group"], further["kind"], further["acted"]) == ("fast", "out", True)
    kubectl("rollout", "status", "deployment/train", "--timeout=60s")
    [node] = read(kubectl, "nodes", "-l", "k8s-qingcloud/group=fast")
    assert node["metadata"]["labels"]["disk"] == "ssd"
    assert node["spec"]["taints"] == [{"key": "fast", "value": "true", "effect": "NoSchedule"}]
    assert {pod["spec"]["nodeName"] for pod in read(kubectl, "pods", "-l", "app=train")} == {
        node["metadata"]["name"]
    }

    mixed.write_text(yaml.safe_dump({"name": "mixed", "groups": {"fast": None}}))
    refused = workplace.run("flows.provision", "--file", str(mixed))
    assert refused.code == 2
    assert "group fast has 1 machine" in refused.sentence
    assert "--group fast --count 0" in refused.sentence


def read(kubectl: Kubectl, *words: str) -> list[dict[str, Any]]:
    return list(json.loads(kubectl("get", *words, "-o", "json"))["items"])
