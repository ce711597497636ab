"""What clients and pods notice of upgrades and a rollout: `python -m benchmarks.upgrade`.

On a local cloud of its own a cluster of three masters and ten nodes is upgraded in place, from 1.35
to 1.36, by a command that is killed twice and typed again; then to another patch release by new
machines; then its nodes get another instance type. A client writes and reads through the public
address, once a second, and the pods of a Deployment with a budget are counted all the time. Each
line says what the client has noticed, and the fewest pods that were available; the last column is
the ratio of the longest gap to the client's second.
"""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kubernetes
import urllib3
import yaml

from benchmarks.masters import Client, client_of, command, show, workplace
from tests.acceptance.workplace import Workplace

OLD, NEW, NEWER = "1.35.9", "1.36.2", "1.36.4"
LABELS = {"app": "web"}
NAMESPACE = "default"


class Pods:
    """The available pods of the Deployment `web`, counted until `close`."""

    def __init__(self, kubeconfig: Path, replicas: int) -> None:
        config = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(  # type: ignore[no-untyped-call]
            str(kubeconfig), client_configuration=config
        )
        client = kubernetes.client.ApiClient(config)
        self._apps: Any = kubernetes.client.AppsV1Api(client)
        self._core: Any = kubernetes.client.CoreV1Api(client)
        self._policy: Any = kubernetes.client.PolicyV1Api(client)
        self.replicas, self.budget = replicas, replicas - max(1, replicas // 10)
        self._fewest, self._end = replicas, threading.Event()
        self._thread = threading.Thread(target=self._run, name="pods")

    def create(self) -> None:
        """Create the Deployment and its budget, and count from when all pods are available."""
        containers = [{"name": "nginx", "image": "nginx"}]
        template = {"metadata": {"labels": LABELS}, "spec": {"containers": containers}}
        selector = {"matchLabels": LABELS}
        web = {"replicas": self.replicas, "selector": selector, "template": template}
        budget = {"minAvailable": self.budget, "selector": selector}
        metadata = {"name": "web"}
        self._apps.create_namespaced_deployment(NAMESPACE, {"metadata": metadata, "spec": web})
        self._policy.create_namespaced_pod_disruption_budget(
            NAMESPACE, {"metadata": metadata, "spec": budget}
        )
        while self._count() < self.replicas:
            self._end.wait(0.5)
        self._thread.start()

    def part(self) -> int:
        """The fewest available pods since the last call."""
        fewest, self._fewest = self._fewest, self.replicas
        return fewest

    def versions(self) -> set[str]:
        """The versions of the kubelets."""
        return {node.status.node_info.kubelet_version for node in self._core.list_node().items}

    def close(self) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.3):
            try:
                self._fewest = min(self._fewest, self._count())
            except (urllib3.exceptions.HTTPError, kubernetes.client.ApiException):
                continue  # the client counts what fails

    def _count(self) -> int:
        web = self._apps.read_namespaced_deployment("web", NAMESPACE, _request_timeout=(3, 5))
        return int(web.status.available_replicas or 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="fast", choices=("instant", "fast", "realistic"))
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--pods", type=int, default=40)
    options = parser.parse_args()
    with workplace(options.profile) as place:
        provision(place, options.nodes)
        with client_of(place) as client, pods_of(place, options.pods) as pods:
            fewest = [
                *upgrade(place, client, pods),
                *replace(place, client, pods),
                *roll_out(place, client, pods),
            ]
            is_new = pods.versions() == {f"v{NEWER}"}
    print(f"fewest pods {min(fewest)}, budget {pods.budget}; all kubelets {NEWER}: {is_new}")
    return 0 if min(fewest) >= pods.budget and is_new else 1


def provision(place: Workplace, nodes: int, instance_type: str = "") -> None:
    """Create the cluster, or change the description of an existing one."""
    version = NEWER if instance_type else OLD
    template = {"template": {"instance_type": instance_type}} if instance_type else {}
    wanted = {
        "name": "demo",
        "masters": {"count": 3},
        "nodes": {"count": nodes, "maximum": 2 * nodes} | template,
        "kubernetes": {"version": version},
    }
    file = place.home / "demo.yaml"
    file.write_text(yaml.safe_dump(wanted))
    command(place, "flows.provision", "--file", str(file), "--no-demo", "--no-ui")


def upgrade(place: Workplace, client: Client, pods: Pods) -> Iterator[int]:
    words = ("flows.upgrade", "--version", NEW, "--yes")
    client.part()
    for step in ("upgrade of", "drain of"):
        kill_after(place, step, *words)
    command(place, *words)
    yield told("in place, killed twice", client, pods)


def replace(place: Workplace, client: Client, pods: Pods) -> Iterator[int]:
    words = ("flows.upgrade", "--version", NEWER, "--replace", "--yes")
    kill_after(place, "drain of", *words)
    command(place, *words)
    yield told("by new machines, killed once", client, pods)


def roll_out(place: Workplace, client: Client, pods: Pods) -> Iterator[int]:
    nodes = len(json.loads(command(place, "flows.status", "--json"))["nodes"]) - 3
    provision(place, nodes, instance_type="s1.xlarge.r2")
    kill_after(place, "drain of", "flows.rollout", "--yes")
    command(place, "flows.rollout", "--yes")
    yield told("to another type, killed once", client, pods)


def kill_after(place: Workplace, step: str, *words: str) -> None:
    """Start a command, and kill it as soon as a step of this name has finished."""
    process = place.start(*words)
    assert process.stderr is not None
    seen = next((line for line in process.stderr if step in line), "")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, (step, process.returncode)
    print(f"# killed after: {' '.join(seen.split())}", flush=True)


def told(title: str, client: Client, pods: Pods) -> int:
    show(title, client.part())
    fewest = pods.part()
    print(
        f"    fewest pods available: {fewest} of {pods.replicas}, budget {pods.budget}", flush=True
    )
    return fewest


@contextmanager
def pods_of(place: Workplace, replicas: int) -> Iterator[Pods]:
    pods = Pods(place.home / "client.kubeconfig", replicas)
    pods.create()
    try:
        yield pods
    finally:
        pods.close()


if __name__ == "__main__":
    sys.exit(main())
