"""What grows while the watches run under random load: `python -m benchmarks.soak`.

Runs `flows.autoscale --watch` and `flows.monitor --watch` on a cluster of the local cloud (profile
`instant`), in a home of its own, while the number of pods jumps at random. Without cooldowns, and
with an event at each jump, two minutes hold as many evaluations as an hour does. Prints memory,
open files, sockets and threads of each process, and the sizes of what is stored, at the start and
after each quarter. Exit code 1: a process has more files, sockets or threads at the end than in the
middle, beyond what a change under way needs.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.watch_latency import account_of, fill, scale
from clients.kubernetes import ClusterClient
from domain.autoscaling.memory.keeping import memory_name
from domain.kernel.names import NODES
from tasks.cluster import open_cluster
from tests.acceptance.workplace import ROOT, Workplace, clean_environment, free_port, prefect_server

PARTS = 4
"""How often all is measured, after the start."""

SLACK = 12
"""Files, sockets or threads that a change under way may need more."""

WATCHES = {
    "autoscale": ("flows.autoscale", "--watch", "--name", "soak"),
    "monitor": ("flows.monitor", "--watch", "--every", "5", "--name", "soak"),
}


@dataclass(frozen=True)
class Figures:
    """The present state of one process; memory in MiB."""

    memory: float
    files: int
    sockets: int
    threads: int

    def grew_over(self, earlier: "Figures") -> bool:
        pairs = (
            (self.files, earlier.files),
            (self.sockets, earlier.sockets),
            (self.threads, earlier.threads),
        )
        return any(now > before + SLACK for now, before in pairs)

    def __str__(self) -> str:
        return (
            f"{self.memory:7.1f} MiB {self.files:4} files {self.sockets:4} sockets "
            f"{self.threads:3} threads"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = Path(folder)
        environment = clean_environment(home)
        server = prefect_server(environment, free_port(), home / "prefect.log")
        url = stack.enter_context(server)
        place = Workplace(home, environment | {"PREFECT_API_URL": url})
        place.run("localcloud", "up", "--profile", "instant")
        stack.callback(place.run, "localcloud", "down")
        stack.enter_context(temporary_settings({PREFECT_API_URL: url}))
        grown = soak(place, asked.seconds, random.Random(asked.seed))
    if grown:
        sys.exit(f"grown since the middle: {', '.join(grown)}")


def soak(place: Workplace, seconds: int, chance: random.Random) -> list[str]:
    """Watch under random load. Returns: the processes that have grown."""
    file = place.home / "soak.yaml"
    scaling = {
        "preset": "pending",
        "cooldown_out_seconds": 0,
        "cooldown_in_seconds": 0,
        "low_use": {"share": 0.9, "seconds": 2},
    }
    document = {"name": "soak", "nodes": {"count": 1, "maximum": 4}, "scaling": scaling}
    file.write_text(yaml.safe_dump(document))
    done = place.run("flows.provision", "--file", str(file), "--no-demo", "--no-ui", "--json")
    assert done.json["api"]["ready"]
    with open_cluster(account_of(place), "soak") as cluster, watches(place) as processes:
        api = cluster.api()
        fill(api, 10)
        seen: list[Mapping[str, Figures]] = []
        for part in range(PARTS + 1):
            if part:
                load(api, seconds / PARTS, chance)
            seen.append({name: read_figures(pid) for name, pid in processes.items()})
            show(f"after {part * seconds / PARTS:.0f} s", seen[-1], api, place)
        middle = seen[PARTS // 2]
        return [name for name, now in seen[-1].items() if now.grew_over(middle[name])]


@contextmanager
def watches(place: Workplace) -> Iterator[dict[str, int]]:
    """The ids of the processes that are looked at; the watches end with the block."""
    with ExitStack() as stack:
        pids = {}
        for name, words in WATCHES.items():
            log = stack.enter_context((place.home / f"{name}.log").open("w"))
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
                cwd=ROOT,
                env=place.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
            pids[name] = process.pid
        pids |= find_servers(place.home)
        time.sleep(15)  # until the watches have made their first evaluation
        yield pids


def find_servers(home: Path) -> dict[str, int]:
    """The processes of the local cloud and of the Prefect server in this home."""
    found: dict[str, int] = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            is_ours = f"HOME={home}\0".encode() in (entry / "environ").read_bytes()
        except (OSError, UnicodeDecodeError):
            continue
        if is_ours and any("localcloud" in word for word in words):
            found.setdefault("local cloud", int(entry.name))
        if is_ours and "prefect" in words and "start" in words:
            found.setdefault("Prefect server", int(entry.name))
    return found


def load(api: ClusterClient, seconds: float, chance: random.Random) -> None:
    """Let the number of pods jump at random for so long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        scale(api, chance.choice((5, 20, 45, 60, 90, 130)))
        time.sleep(chance.uniform(0.5, 6.0))


def read_figures(pid: int) -> Figures:
    process = Path(f"/proc/{pid}")
    status = dict(
        line.split(":", 1) for line in (process / "status").read_text().splitlines() if ":" in line
    )
    targets = []
    for descriptor in (process / "fd").iterdir():
        try:
            targets.append(str(descriptor.readlink()))
        except OSError:  # closed meanwhile
            continue
    return Figures(
        memory=int(status["VmRSS"].split()[0]) / 1024,
        files=len(targets),
        sockets=sum(target.startswith("socket:") for target in targets),
        threads=int(status["Threads"]),
    )


def show(part: str, figures: Mapping[str, Figures], api: ClusterClient, place: Workplace) -> None:
    print(f"{part}:")
    for name, one in figures.items():
        print(f"  {name:15} {one}")
    kept = api.read("ConfigMap", memory_name(NODES), "kube-system") or {"data": {}}
    size = sum(len(text) for text in kept["data"].values())
    events = sum(1 for _ in api._items("/api/v1/namespaces/kube-system/events", {}))
    databases = {
        name: sum(one.stat().st_size for one in place.home.rglob(f"{name}*")) / 2**20
        for name in ("prefect.db", "samples.db")
    }
    shown = (place.home / "autoscale.log").read_text()
    print(
        f"  ConfigMap {size} bytes, {events} Events in kube-system, "
        + ", ".join(f"{name} {megabytes:.1f} MiB" for name, megabytes in databases.items())
        + f", {shown.count('machines k8s-node of')} machines ordered, "
        + f"{shown.count('termination of')} removed",
        flush=True,
    )


if __name__ == "__main__":
    main()
