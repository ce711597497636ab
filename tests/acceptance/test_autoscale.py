"""The article's burst: machines are added for waiting pods, and removed one by one later."""

import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.test_kubectl import KUBECTL, Kubectl
from tests.acceptance.workplace import ROOT, Workplace

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on PATH")

LOAD = ROOT / "deployments/tour/files/my-nginx-rc.yaml"
# As the preset, but nobody waits for minutes to pass.
EAGER = {
    "preset": "article-text",
    "interval_seconds": 1,
    "cooldown_out_seconds": 0,
    "instance_types": ["s1.large.r2", "s1.large.r4"],
}
LEASE = ("-n", "kube-system", "lease", "autoscaler-k8s-node")
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
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def policy_file(folder: Path, **changes: Any) -> str:
    file = folder / "policy.yaml"
    file.write_text(yaml.safe_dump(CALM | changes))
    return str(file)


def end_abruptly(
    process: subprocess.Popen[str], once: Callable[[], bool], what: str, kubectl: Kubectl
) -> None:
    """As a power cut does, once something has happened; its Lease need not run out."""
    try:
        until(once, what)
    finally:
        process.kill()
        process.communicate(timeout=30)
    kubectl("patch", *LEASE, "--type=merge", "-p", '{"spec": {"holderIdentity": ""}}')


def event_reasons(kubectl: Kubectl) -> Counter[str]:
    words = kubectl("-n", "kube-system", "get", "events", "-o", "jsonpath={.items[*].reason}")
    return Counter(words.split())


def launches(workplace: Workplace) -> int:
    return int(workplace.cloud()["calls"].get("RunInstances", 0))


def fault(workplace: Workplace, *words: str) -> None:
    done = workplace.run("localcloud", "fault", *words)
    assert done.code == 0, done.err


def test_nothing_is_changed_while_another_run_changes_the_cluster(
    burst: Workplace, tmp_path: Path
) -> None:
    (file,) = (burst.home / ".local/share/kubernetes-on-qingcloud/locks").glob("burst-*.run")
    larger, before = policy_file(tmp_path, minimum=4), launches(burst)
    with file.open() as lock:
        flock(lock, LOCK_EX)
        found = autoscale(burst, "--policy", larger)
    assert found["kind"] == "skipped"
    assert "another run on this machine is changing cluster burst" in found["sentence"]
    assert launches(burst) == before


def test_a_watch_finishes_an_addition_of_a_previous_evaluator(
    burst: Workplace, kubectl: Kubectl
) -> None:
    kubectl("create", "-f", str(LOAD))
    kubectl("scale", "rc", "my-nginx", "--replicas=150")
    until(lambda: phases(kubectl) == {"Running": 120, "Pending": 30}, "120 pods Running")

    before = launches(burst)
    fault(burst, "never-joins")
    process = burst.start("flows.autoscale", "--name", "burst")
    end_abruptly(process, lambda: launches(burst) > before, "a machine is ordered", kubectl)
    fault(burst, "clear")

    watch = burst.start("flows.autoscale", "--name", "burst", "--watch", "--policy", "pending")
    try:
        until(lambda: phases(kubectl) == {"Running": 150}, "150 pods Running")
        until(lambda: "every pod has room" in last_decision(kubectl), "it rests")
        watch.send_signal(signal.SIGINT)
        assert watch.wait(60) == 0
    finally:
        watch.kill()
        watch.communicate()
    assert launches(burst) == before + 1
    assert event_reasons(kubectl)["AdditionTakenOver"] == 1


def last_decision(kubectl: Kubectl) -> str:
    path = "jsonpath={.data.last-decision}"
    return kubectl("-n", "kube-system", "get", "cm", "autoscaler-k8s-node", "-o", path)


def test_where_a_type_is_out_of_stock_the_next_one_is_used_and_the_policy_settles(
    burst: Workplace, kubectl: Kubectl
) -> None:
    fault(burst, "stock-out", "--type", "s1.large.r2")
    failed = burst.run("flows.autoscale", "--name", "burst")
    assert failed.code == 1
    why = burst.run("flows.autoscale", "--name", "burst", "--why", "--json").json
    assert why["decision"]["reason"] == "a metric rule adds"
    assert why["outcome"] == f"failed: {failed.sentence}"

    headroom = autoscale(burst)
    assert (headroom["kind"], headroom["target"], headroom["acted"]) == ("out", 5, True)
    assert headroom["reason"] == "a metric rule adds"
    fault(burst, "clear")
    for _ in range(2):
        rest = autoscale(burst)
        assert (rest["kind"], rest["size"], rest["acted"]) == ("hold", 5, False)
    assert len(worker_names(kubectl)) == 5


def test_decisions_are_stored_in_the_cluster(burst: Workplace, kubectl: Kubectl) -> None:
    why = burst.run("flows.autoscale", "--name", "burst", "--why", "--json").json
    assert why["decision"]["kind"] == "hold"
    assert why["decision"]["count"] == 2
    assert "5 machines" in last_decision(kubectl)
    reasons = event_reasons(kubectl)
    assert (reasons["ScalingOutFailed"], reasons["ScaledOut"]) == (1, 1)


def test_a_stored_policy_of_another_version_stops_the_autoscaler_alone(
    burst: Workplace, kubectl: Kubectl
) -> None:
    described = ("-n", "kube-system", "configmap", "cluster-spec")
    text = kubectl("get", *described, "-o", r"jsonpath={.data.spec\.json}")

    def store(text: str) -> None:
        patch = json.dumps({"data": {"spec.json": text}})
        kubectl("patch", *described, "--type=merge", "-p", patch)

    newer = json.loads(text)
    newer["scaling"]["forecast"] = "weekly"
    store(json.dumps(newer))
    try:
        found = autoscale(burst)
        assert (found["kind"], found["acted"]) == ("skipped", False)
        assert "of cluster burst cannot be read (unknown key 'forecast'" in found["sentence"]
        assert burst.run("flows.monitor", "--name", "burst").code == 0
    finally:
        store(text)


def test_only_one_evaluator_acts_at_a_time(burst: Workplace, kubectl: Kubectl) -> None:
    lease = {
        "spec": {
            "holderIdentity": "another",
            "renewTime": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()),
        }
    }
    kubectl("patch", *LEASE, "--type=merge", "-p", json.dumps(lease))
    found = autoscale(burst)
    assert (found["kind"], found["acted"]) == ("skipped", False)
    assert "at work: another holds the Lease kube-system/autoscaler-k8s-node" in found["sentence"]
    lease["spec"]["holderIdentity"] = ""
    kubectl("patch", *LEASE, "--type=merge", "-p", json.dumps(lease))


def read_until(watch: subprocess.Popen[str], words: str) -> str:
    """The next line of a watch that holds these words."""
    assert watch.stderr is not None
    seen = list[str]()
    for line in watch.stderr:
        seen.append(line)
        if words in line:
            return line
    raise AssertionError(f"{words}: not in {''.join(seen)}")


def test_a_terminated_watch_releases_its_lease_and_the_next_waits_for_that_of_a_killed_one(
    burst: Workplace, kubectl: Kubectl
) -> None:
    words = ("flows.autoscale", "--name", "burst", "--watch", "--policy", "pending")
    with burst.start(*words) as watch:
        assert read_until(watch, "Watching")
        watch.send_signal(signal.SIGTERM)
        assert read_until(watch, "Stopped watching cluster")
    assert watch.returncode == 0

    lease = {"holderIdentity": "killed-1", "leaseDurationSeconds": 60}
    lease["renewTime"] = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
    kubectl("patch", *LEASE, "--type=merge", "-p", json.dumps({"spec": lease}))
    with burst.start(*words) as watch:
        assert "killed-1 holds the Lease" in read_until(watch, "holds the Lease")
        # Its end comes now instead of in a minute.
        ended = json.dumps({"spec": {"leaseDurationSeconds": 1}})
        kubectl("patch", *LEASE, "--type=merge", "-p", ended)
        assert read_until(watch, "Watching")
        with burst.start(*words) as second:
            assert "is at work" in read_until(second, "Error: ")
        assert second.returncode == 1
        watch.send_signal(signal.SIGINT)
        assert read_until(watch, "Stopped watching cluster")
    assert watch.returncode == 0


def break_image(kubectl: Kubectl) -> None:
    """From now on evicted pods do not come back, so a budget allows one eviction and no more."""
    replace_image(kubectl, "nginx:does-not-exist")
    until(lambda: allowed(kubectl) == 1, "the budget allows one")


def mend_image(kubectl: Kubectl) -> None:
    replace_image(kubectl, "nginx:1.29")
    kubectl("delete", "pods", "-l", "app=my-nginx", "--field-selector=status.phase=Pending")
    until(lambda: phases(kubectl) == {"Running": 30}, "30 pods Running")


def replace_image(kubectl: Kubectl, image: str) -> None:
    where = "/spec/template/spec/containers/0/image"
    patch = json.dumps([{"op": "replace", "path": where, "value": image}])
    kubectl("patch", "rc", "my-nginx", "--type=json", "-p", patch)


def check_all_take_pods(kubectl: Kubectl) -> None:
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    assert not any(node["spec"].get("unschedulable") for node in nodes)
    assert not is_leaving(kubectl)


def test_an_unfinished_removal_of_a_previous_evaluator_is_reverted(
    burst: Workplace, kubectl: Kubectl, tmp_path: Path
) -> None:
    kubectl("scale", "rc", "my-nginx", "--replicas=30")
    until(lambda: phases(kubectl) == {"Running": 30}, "30 pods Running")
    kubectl("create", "pdb", "my-nginx", "--selector=app=my-nginx", "--min-available=29")
    break_image(kubectl)
    policy = policy_file(tmp_path, exempt=nearly_empty(kubectl), drain_seconds=100)
    process = burst.start("flows.autoscale", "--name", "burst", "--policy", policy)
    end_abruptly(process, lambda: is_leaving(kubectl), "a drain has begun", kubectl)

    assert autoscale(burst, "--policy", "pending")["kind"] == "hold"
    check_all_take_pods(kubectl)
    assert event_reasons(kubectl)["RemovalTakenOver"] == 1
    mend_image(kubectl)


def test_a_drain_that_a_budget_blocks_uncordons_the_node(
    burst: Workplace, kubectl: Kubectl, tmp_path: Path
) -> None:
    break_image(kubectl)
    before, calls = worker_names(kubectl), burst.cloud()["calls"].get("TerminateInstances", 0)
    policy = policy_file(tmp_path, exempt=nearly_empty(kubectl))
    done = burst.run("flows.autoscale", "--name", "burst", "--policy", policy)
    assert done.code == 1
    assert "could not be emptied within 3 s" in done.sentence
    assert "it accepts pods again" in done.sentence
    assert worker_names(kubectl) == before
    assert burst.cloud()["calls"].get("TerminateInstances", 0) == calls
    check_all_take_pods(kubectl)
    assert event_reasons(kubectl)["ScalingInFailed"] == 1
    mend_image(kubectl)


def is_leaving(kubectl: Kubectl) -> bool:
    """Whether an evaluator has begun to empty a node."""
    return "k8s-qingcloud/leaving" in kubectl("get", "nodes", "-o", "json")


def nearly_empty(kubectl: Kubectl) -> list[str]:
    """Nodes with fewer than two pods of the load, whose drain one allowed eviction would end."""
    path = "jsonpath={.items[*].spec.nodeName}"
    pods = Counter(kubectl("get", "pods", "-o", path).split())
    return sorted(name for name in worker_names(kubectl) if pods[name] < 2)


def allowed(kubectl: Kubectl) -> int:
    return int(kubectl("get", "pdb", "my-nginx", "-o", "jsonpath={.status.disruptionsAllowed}"))


def test_machines_are_removed_one_by_one_and_no_pod_is_lost(
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


def test_a_stopped_machine_is_no_capacity_is_named_and_leaves_before_any_other(
    burst: Workplace, kubectl: Kubectl, tmp_path: Path
) -> None:
    before = worker_names(kubectl)
    stopped, size = min(before), len(before)
    machine = stopped.replace("k8s-node", "i")
    with burst.client() as cloud:
        cloud._transport.change("StopInstances", {"instances": [machine]})
        until(lambda: cloud.read_instances([machine])[0].status == "stopped", "it is stopped")

    found = autoscale(
        burst, "--policy", policy_file(tmp_path, minimum=size, cooldown_out_seconds=0)
    )
    assert (found["kind"], found["acted"]) == ("out", True), found
    assert (found["size"], found["target"]) == (size - 1, size)
    assert any(f"{machine}: it is broken (it is stopped" in words for words in found["details"])
    assert len(worker_names(kubectl) - before) == 1

    (line,) = [m for m in status_of(burst)["machines"] if m["fault"]]
    assert (line["id"], line["fault"]) == (machine, "it is stopped")
    scaled = burst.run("flows.scale", "--name", "burst", "--count", str(size))
    assert scaled.code == 0, scaled.err
    assert worker_names(kubectl) >= before - {stopped}
    assert len(worker_names(kubectl)) == size
    assert not any(m["fault"] for m in status_of(burst)["machines"])


def status_of(workplace: Workplace) -> Any:
    return workplace.run("flows.status", "--name", "burst", "--json").json
