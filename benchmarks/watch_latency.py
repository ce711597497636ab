"""How long pods wait until a machine is ordered: `python -m benchmarks.watch_latency`.

Runs `flows.autoscale --watch` on a cluster of the local cloud (profile `instant`), in a home of its
own. Each burst asks for 40 pods more than there is room. The time is from the first pod that the
scheduler calls unschedulable, as a watch of the benchmark's own sees it, to the first list of the
cloud with the new machine, asked for every 20 ms. The ratio is that of the slowest to the median.
The last lines say where the time went, by the Prefect server's records of runs and steps.
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas import FlowRun, TaskRun
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from blocks.accounts import QingCloudAccount
from clients.kubernetes import ClusterClient
from domain.cluster.demo import parse_manifests
from tasks.cluster import open_cluster
from tests.acceptance.workplace import ROOT, Workplace, clean_environment, prefect_server

PODS_PER_NODE = 40
LOAD = ROOT / "deployments/tour/files/my-nginx-rc.yaml"
PATIENCE = 120.0
"""Seconds for one burst."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bursts", type=int, default=20)
    bursts = parser.parse_args().bursts
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        environment = clean_environment(home)
        with prefect_server(environment, free_port(), home / "prefect.log") as url:
            place = Workplace(home, environment | {"PREFECT_API_URL": url})
            place.run("localcloud", "up", "--profile", "instant")
            try:
                with temporary_settings({PREFECT_API_URL: url}):
                    started, seconds = measure(place, bursts)
                    parts = read_parts(started)
            finally:
                place.run("localcloud", "down")
    median, slowest = statistics.median(seconds), max(seconds)
    print(f"{len(seconds)} bursts: median {median:.2f} s, maximum {slowest:.2f} s")
    print(f"ratio {slowest / median:.2f}")
    for name, values in parts.items():
        print(f"{statistics.median(values):6.2f} s, at most {max(values):.2f} s  {name}")


def read_parts(started: list[datetime]) -> dict[str, list[float]]:
    """By part of an addition, its seconds in each burst, up to the begin of the launch."""
    parts: dict[str, list[float]] = defaultdict(list)
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(sort=FlowRunSort.START_TIME_ASC)
        for moment in started:
            run = next(
                one for one in runs if one.name == "autoscale bench" and _start(one) > moment
            )
            chosen = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
            steps = client.read_task_runs(flow_run_filter=chosen)
            begins = sorted((_start(step), step.name) for step in steps)
            last, name = moment, "until the run begins"
            for at, following in [(_start(run), "until the first step"), *begins]:
                parts[name].append((at - last).total_seconds())
                last, name = at, following
                if "machines" in following:
                    break
    return parts


def _start(run: FlowRun | TaskRun) -> datetime:
    return run.start_time or datetime.max.replace(tzinfo=UTC)


def measure(place: Workplace, bursts: int) -> tuple[list[datetime], list[float]]:
    """Make the cluster, watch it, and time each burst: its begin, and its seconds."""
    file = place.home / "bench.yaml"
    nodes = {"count": 1, "maximum": bursts + 2}
    calm = {"preset": "pending", "cooldown_out_seconds": 0}
    file.write_text(yaml.safe_dump({"name": "bench", "nodes": nodes, "scaling": calm}))
    done = place.run("flows.provision", "--file", str(file), "--no-demo", "--no-ui", "--json")
    assert done.json["api"]["ready"]
    account = account_of(place)
    with (
        (place.home / "watch.log").open("w+") as log,
        open_cluster(account, "bench") as cluster,
    ):
        api = cluster.api()
        watching = subprocess.Popen(
            [sys.executable, "-m", "flows.autoscale", "--watch", "--name", "bench"],
            cwd=ROOT,
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            wait(lambda: "Watching" in Path(log.name).read_text(), "the begin of the watch")
            fill(api, PODS_PER_NODE)
            started, seconds = [], []
            for number in range(1, bursts + 1):
                took = one_burst(account, api, (number + 1) * PODS_PER_NODE)
                started.append(took[0])
                seconds.append(took[1])
                wait_for_change(log.name, number)
                print(f"burst {number}: {seconds[-1]:.2f} s", flush=True)
            return started, seconds
        finally:
            watching.terminate()
            watching.wait(30)


def one_burst(
    account: QingCloudAccount, api: ClusterClient, replicas: int
) -> tuple[datetime, float]:
    began: list[tuple[float, datetime]] = []

    def hear() -> None:
        for _ in api.watch_waiting_pods(int(PATIENCE)):
            began.append((time.monotonic(), datetime.now(UTC)))
            return

    listening = threading.Thread(target=hear, daemon=True)
    listening.start()
    with account.client() as cloud:
        before = len(cloud.find_instances("k8s.bench."))
        scale(api, replicas)
        ordered = wait(
            lambda: len(cloud.find_instances("k8s.bench.")) > before, "a machine more", 0.02
        )
    listening.join(5)
    wait(lambda: running(api) >= replicas, "all pods Running")
    begin, moment = began[0]
    return moment, ordered - begin


def fill(api: ClusterClient, replicas: int) -> None:
    for manifest in parse_manifests(LOAD.read_text()):
        api.apply(manifest)
    scale(api, replicas)
    wait(lambda: running(api) >= replicas, "the first pods Running")


def scale(api: ClusterClient, replicas: int) -> None:
    (manifest,) = parse_manifests(LOAD.read_text())
    manifest["spec"] = {"replicas": replicas}
    api.apply(manifest)


def running(api: ClusterClient) -> int:
    return sum(pod.ready for pod in api.list_pods(namespace="default", selector="app=my-nginx"))


def wait_for_change(log: str, number: int) -> None:
    """Wait until the watch has said of so many changes that they are done."""
    wait(lambda: Path(log).read_text().count("(done)") >= number, "the end of the change")


def wait(look: Callable[[], bool], what: str, pause: float = 0.2) -> float:
    """Wait until it is so; the moment at which it was seen."""
    deadline = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not seen within {PATIENCE:g} s")
        time.sleep(pause)
    return time.monotonic()


def account_of(place: Workplace) -> QingCloudAccount:
    found = json.loads(place.run("localcloud", "env", "--json").out)
    return QingCloudAccount(
        zone=found["QINGCLOUD_ZONE"],
        access_key_id=found["QINGCLOUD_ACCESS_KEY_ID"],
        secret_access_key=SecretStr(found["QINGCLOUD_SECRET_ACCESS_KEY"]),
        endpoint=found["QINGCLOUD_ENDPOINT"],
        bills=False,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
