"""A cluster is upgraded by its command, which is killed in the middle; budgets hold."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from tests.acceptance.test_kubectl import KUBECTL, Kubectl
from tests.acceptance.test_main_job import end_after
from tests.acceptance.workplace import Workplace

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl on PATH")

OLD, NEW = "1.35.9", "1.36.4"
UPGRADE = ("flows.upgrade", "--name", "older", "--version", NEW, "--share", "50")
LEAST = 3
LABELS = {"app": "web"}
WEB = [
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "replicas": LEAST + 1,
            "selector": {"matchLabels": LABELS},
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {"containers": [{"name": "nginx", "image": "nginx"}]},
            },
        },
    },
    {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"minAvailable": LEAST, "selector": {"matchLabels": LABELS}},
    },
]


@pytest.fixture(scope="module")
def older(workplace: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """A cluster of the older version, with pods that have a budget."""
    folder = tmp_path_factory.mktemp("older")
    file = folder / "older.yaml"
    spec = {"name": "older", "nodes": {"count": 2}, "kubernetes": {"version": OLD}}
    file.write_text(yaml.safe_dump(spec))
    done = workplace.run("flows.provision", "--file", str(file), "--no-demo", "--no-ui")
    assert done.code == 0, done.err
    config = folder / "older.kubeconfig"
    assert workplace.run("flows.kubeconfig", "--name", "older", "--out", str(config)).code == 0
    kubectl = Kubectl(workplace, config)
    pods = folder / "web.json"
    pods.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": WEB}))
    kubectl("apply", "-f", str(pods))
    kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    yield kubectl
    assert workplace.run("flows.teardown", "--name", "older", "--yes").code == 0


@contextmanager
def watching(kubectl: Kubectl) -> Iterator[list[int]]:
    """Look at the number of available pods all the time, while the API answers."""
    seen: list[int] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            try:
                found = json.loads(kubectl("get", "deployment", "web", "-o", "json"))
            except AssertionError:  # the API server of the only master starts anew
                continue
            seen.append(found["status"].get("availableReplicas", 0))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


def versions(kubectl: Kubectl) -> list[str]:
    path = "jsonpath={.items[*].status.nodeInfo.kubeletVersion}"
    return kubectl("get", "nodes", "-o", path).split()


def test_a_skipped_minor_version_is_refused_and_nothing_changes(
    workplace: Workplace, older: Kubectl
) -> None:
    refused = workplace.run(*UPGRADE[:3], "--version", "1.37.1", "--yes")
    assert refused.code == 2
    assert "skips a minor version" in refused.sentence
    assert versions(older) == [f"v{OLD}"] * 3


def test_an_upgrade_is_killed_twice_and_goes_on_and_no_budget_is_broken(
    workplace: Workplace, older: Kubectl
) -> None:
    with watching(older) as seen:
        end_after(workplace, "upgrade of", signal.SIGKILL, *UPGRADE, "--yes")
        end_after(workplace, "drain of", signal.SIGKILL, *UPGRADE, "--yes")
        done = workplace.run(*UPGRADE, "--yes")
        assert done.code == 0, done.err
    assert min(seen) >= LEAST
    assert versions(older) == [f"v{NEW}"] * 3
    assert json.loads(older("version", "-o", "json"))["serverVersion"]["gitVersion"] == f"v{NEW}"
    nodes = json.loads(older("get", "nodes", "-o", "json"))["items"]
    assert not any(node["spec"].get("unschedulable") for node in nodes)


def test_nothing_is_left_to_upgrade_and_certificates_are_shown_and_renewed(
    workplace: Workplace, older: Kubectl
) -> None:
    again = workplace.run(*UPGRADE, "--plan", "--json").json
    assert again["items"] == []
    ends = workplace.run("flows.status", "--name", "older", "--json").json["certificates"]
    assert {"apiserver", "etcd-server", "admin.conf", "ca", "kubelet"} <= {c["name"] for c in ends}
    maintain = ("flows.maintain", "--name", "older", "--yes")
    refused = workplace.run(*maintain, "--renew", "ca")
    assert refused.code == 2
    assert "ca is an authority of the cluster and is not rotated" in refused.sentence
    done = workplace.run(*maintain, "--renew", "apiserver", "--json").json
    assert [item["action"] for item in done["items"]] == ["change"]
    assert older("get", "--raw", "/readyz") == "ok"
