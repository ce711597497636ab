"""The article's burst: pods wait, machines come; pods go, machines leave, one by one."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.test_kubectl import KUBECTL, Kubectl
from tests.acceptance.workplace import ROOT, Workplace

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on PATH")

LOAD = ROOT / "docs" / "examples" / "my-nginx-rc.yaml"
# As the preset, but nobody waits for minutes to pass.
EAGER = {"preset": "article-text", "interval_seconds": 1, "cooldown_out_seconds": 0}
CALM = {
    "preset": "pending",
    "minimum": 3,
    "low_use": {"share": 0.9, "seconds": 0},
    "cooldown_in_seconds": 0,
    "drain_seconds": 3,
}


@pytest.fixture(scope="module")
def burst(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A cluster of three nodes that run nothing yet, with a policy in its description."""
    file = tmp_path_factory.mktemp("spec") / "burst.yaml"
    file.write_text(yaml.safe_dump({"name": "burst", "nodes": {"count": 3}, "scaling": EAGER}))
    done = workplace.run("flows.provision", "--file", str(file), "--no-demo", "--no-ui")
    assert done.code == 0, done.err
    yield workplace
    assert workplace.run("flows.teardown", "--name", "burst", "--yes").code == 0


@pytest.fixture(scope="module")
def kubectl(burst: Workplace) -> Kubectl:
    path = burst.home / "burst.kubeconfig"
    assert burst.run("flows.kubeconfig", "--name", "burst", "--out", str(path)).code == 0
    return Kubectl(burst, path)


def autoscale(workplace: Workplace, *flags: str) -> Any:
    return workplace.run("flows.autoscale", "--name", "burst", "--json", *flags).json


def phases(kubectl: Kubectl) -> Counter[str]:
    words = kubectl("get", "pods", "-l", "app=my-nginx", "-o", "jsonpath={.items[*].status.phase}")
    return Counter(words.split())


def worker_names(kubectl: Kubectl) -> set[str]:
    query = ("-l", "k8s-qingcloud/group=k8s-node", "-o", "jsonpath={.items[*].metadata.name}")
    return set(kubectl("get", "nodes", *query).split())


def until(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def policy_file(folder: Path, **changes: Any) -> str:
    file = folder / "policy.yaml"
    file.write_text(yaml.safe_dump(CALM | changes))
    return str(file)


def test_pods_that_wait_get_a_machine_and_the_policy_comes_to_rest(
    burst: Workplace, kubectl: Kubectl
) -> None:
    kubectl("create", "-f", str(LOAD))
    kubectl("scale", "rc", "my-nginx", "--replicas=150")
    until(lambda: phases(kubectl) == {"Running": 120, "Pending": 30}, "120 pods Running")

    first = autoscale(burst)
    assert (first["kind"], first["target"], first["acted"]) == ("out", 4, True)
    assert first["reason"] == "pods wait for room"
    until(lambda: phases(kubectl) == {"Running": 150}, "150 pods Running")

    resting = autoscale(burst, "--policy", "pending", "--dry-run")
    assert (resting["kind"], resting["size"]) == ("hold", 4)

    headroom = autoscale(burst)
    assert (headroom["kind"], headroom["target"]) == ("out", 5)
    assert headroom["reason"] == "a metric rule adds"
    for _ in range(2):
        rest = autoscale(burst)
        assert (rest["kind"], rest["size"], rest["acted"]) == ("hold", 5, False)
    assert len(worker_names(kubectl)) == 5


def test_decisions_are_remembered_in_the_cluster(burst: Workplace, kubectl: Kubectl) -> None:
    why = burst.run("flows.autoscale", "--name", "burst", "--why", "--json").json
    assert why["decision"]["kind"] == "hold"
    assert why["decision"]["count"] == 2
    began = json.loads(
        kubectl("-n", "kube-system", "get", "cm", "autoscaler-k8s-node", "-o", "json")
    )
    assert "5 machines" in began["data"]["last-decision"]
    events = kubectl("-n", "kube-system", "get", "events", "-o", "jsonpath={.items[*].reason}")
    assert events.split().count("ScaledOut") == 2


def test_only_one_evaluator_acts_at_a_time(burst: Workplace, kubectl: Kubectl) -> None:
    lease = {
        "spec": {
            "holderIdentity": "another",
            "renewTime": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()),
        }
    }
    name = ("-n", "kube-system", "lease", "autoscaler-k8s-node")
    kubectl("patch", *name, "--type=merge", "-p", json.dumps(lease))
    found = autoscale(burst)
    assert (found["kind"], found["acted"]) == ("skipped", False)
    assert "another evaluator is at work, another" in found["sentence"]
    lease["spec"]["holderIdentity"] = ""
    kubectl("patch", *name, "--type=merge", "-p", json.dumps(lease))


def test_a_drain_that_a_budget_blocks_gives_the_node_back(
    burst: Workplace, kubectl: Kubectl, tmp_path: Path
) -> None:
    kubectl("scale", "rc", "my-nginx", "--replicas=30")
    until(lambda: phases(kubectl) == {"Running": 30}, "30 pods Running")
    kubectl("create", "pdb", "my-nginx", "--selector=app=my-nginx", "--min-available=29")
    broken = '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"%s"}]'
    kubectl("patch", "rc", "my-nginx", "--type=json", "-p", broken % "nginx:does-not-exist")
    until(lambda: allowed(kubectl) == 1, "the budget allows one")
    before, calls = worker_names(kubectl), burst.cloud()["calls"].get("TerminateInstances", 0)

    done = burst.run(
        "flows.autoscale",
        "--name",
        "burst",
        "--policy",
        policy_file(tmp_path, exempt=full(kubectl)),
    )
    assert done.code == 1
    assert "could not be emptied within 3 s" in done.sentence
    assert "it takes pods again" in done.sentence
    assert worker_names(kubectl) == before
    assert burst.cloud()["calls"].get("TerminateInstances", 0) == calls
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    assert not any(node["spec"].get("unschedulable") for node in nodes)
    assert not any("k8s-qingcloud/leaving" in node["metadata"]["annotations"] for node in nodes)
    events = kubectl("-n", "kube-system", "get", "events", "-o", "jsonpath={.items[*].reason}")
    assert "ScalingInFailed" in events.split()

    kubectl("patch", "rc", "my-nginx", "--type=json", "-p", broken % "nginx:1.29")
    kubectl("delete", "pods", "-l", "app=my-nginx", "--field-selector=status.phase=Pending")
    until(lambda: phases(kubectl) == {"Running": 30}, "30 pods Running")


def full(kubectl: Kubectl) -> list[str]:
    """Nodes without a pod of the load, of which nothing could be blocked."""
    path = "jsonpath={.items[*].spec.nodeName}"
    return sorted(worker_names(kubectl) - set(kubectl("get", "pods", "-o", path).split()))


def allowed(kubectl: Kubectl) -> int:
    return int(kubectl("get", "pdb", "my-nginx", "-o", "jsonpath={.status.disruptionsAllowed}"))


def test_machines_leave_one_by_one_and_no_pod_is_lost(
    burst: Workplace, kubectl: Kubectl, tmp_path: Path
) -> None:
    for size in (4, 3):
        process = burst.start(
            "flows.autoscale",
            "--name",
            "burst",
            "--json",
            "--policy",
            policy_file(tmp_path, drain_seconds=60),
        )
        seen = set()
        while process.poll() is None:
            status = json.loads(kubectl("get", "pdb", "my-nginx", "-o", "json"))["status"]
            seen.add(status["currentHealthy"] >= status["desiredHealthy"])
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        found = json.loads(out)
        assert (found["kind"], found["target"], found["acted"]) == ("in", size, True)
        assert seen == {True}
        assert len(worker_names(kubectl)) == size
        until(lambda: phases(kubectl) == {"Running": 30}, "30 pods Running")
    rest = autoscale(burst, "--policy", policy_file(tmp_path))
    assert (rest["kind"], rest["size"]) == ("hold", 3)
    assert rest["reason"] == "less would do, but the group is at its minimum"
