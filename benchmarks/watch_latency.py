"""How long pods wait until a machine is ordered: `python -m benchmarks.watch_latency`.

Runs `flows.autoscale --watch` on a cluster of the local cloud (profile `instant`), in a home of its
own. Each burst asks for 40 pods more than there is room. The time is from the first pod that the
scheduler calls unschedulable, as a watch of the benchmark's own sees it, to the first list of the
cloud with the new machine, asked for every 20 ms. The ratio is that of the slowest to the median.
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
from collections.abc import Callable
from pathlib import Path

import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from blocks.accounts import QingCloudAccount
from clients.kubernetes import ClusterClient
from domain.cluster.demo import parse_manifests
from tasks.control_plane import api_url, open_api
from tests.acceptance.workplace import ROOT, Workplace, clean_environment, prefect_server

PODS_PER_NODE = 40
LOAD = ROOT / "docs" / "examples" / "my-nginx-rc.yaml"
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
                    seconds = measure(place, bursts)
            finally:
                place.run("localcloud", "down")
    median, slowest = statistics.median(seconds), max(seconds)
    print(f"{len(seconds)} bursts: median {median:.2f} s, maximum {slowest:.2f} s")
    print(f"ratio {slowest / median:.2f}")


def measure(place: Workplace, bursts: int) -> list[float]:
    """Make the cluster, watch it, and time each burst, in seconds."""
    file = place.home / "bench.yaml"
    nodes = {"count": 1, "maximum": bursts + 2}
    calm = {"preset": "pending", "cooldown_out_seconds": 0}
    file.write_text(yaml.safe_dump({"name": "bench", "nodes": nodes, "scaling": calm}))
    done = place.run("flows.provision", "--file", str(file), "--no-demo", "--no-ui", "--json")
    address = done.json["public_address"]
    account = account_of(place)
    with (
        (place.home / "watch.log").open("w+") as log,
        open_api(account, "bench", api_url(address, 8080)) as api,
    ):
        watching = subprocess.Popen(
            [sys.executable, "-m", "flows.autoscale", "--watch", "--name", "bench"],
            cwd=ROOT,
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            fill(api, PODS_PER_NODE)
            seconds = []
            for number in range(1, bursts + 1):
                seconds.append(one_burst(account, api, (number + 1) * PODS_PER_NODE))
                wait_for_change(log.name, number)
                print(f"burst {number}: {seconds[-1]:.2f} s", flush=True)
            return seconds
        finally:
            watching.terminate()
            watching.wait(30)


def one_burst(account: QingCloudAccount, api: ClusterClient, replicas: int) -> float:
    began: list[float] = []

    def hear() -> None:
        for _ in api.watch_waiting_pods(int(PATIENCE)):
            began.append(time.monotonic())
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
    return ordered - began[0]


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
