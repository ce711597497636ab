"""Ten clusters at once on two workers, one of which is killed in the middle.

Two Prefect servers on PostgreSQL and Redis, as docs/team.md describes them. The runs of the killed
worker are taken up by the other one and finish; nothing exists twice.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.workplace import ROOT, Workplace, ask, clean_environment
from tests.team.servers import missing, postgres, prefect_servers, redis, settings

CLUSTERS = [f"team-{number}" for number in range(int(os.environ.get("TEAM_CLUSTERS", "10")))]
AUTH = "team:only"

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "complete")


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[Workplace, Workplace]]:
    """Two machines of a team, each with another server; they share the local cloud."""
    with ExitStack() as stack:
        database = stack.enter_context(postgres())
        broker = stack.enter_context(redis(tmp_path))
        own = clean_environment(tmp_path) | settings(database, broker)
        first, second = stack.enter_context(prefect_servers(own, AUTH, tmp_path))
        known = clean_environment(tmp_path) | {
            "PREFECT_API_AUTH_STRING": AUTH,
            "SAMPLES_URL": database,
        }
        one = Workplace(tmp_path, known | {"PREFECT_API_URL": first})
        other = Workplace(tmp_path, known | {"PREFECT_API_URL": second})
        assert one.run("localcloud", "up", "--profile", "fast").code == 0
        stack.callback(one.run, "localcloud", "down")
        yield one, other


@contextmanager
def worker(place: Workplace, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with its runs in one group of processes, as on a machine of its own."""
    with (place.home / f"{name}.log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", "deployments.worker"],
            cwd=ROOT,
            env=place.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield started
    finally:
        kill(started)


def kill(started: subprocess.Popen[bytes]) -> None:
    """End a machine: its worker and all runs on it, which have groups of their own."""
    for process in (started.pid, *children_of(started.pid)):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    started.wait(10)


def children_of(process: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    found = subprocess.run(
        ["pgrep", "--parent", str(process)], capture_output=True, text=True, check=False
    )
    direct = [int(line) for line in found.stdout.split()]
    return [one for child in direct for one in (child, *children_of(child))]


def deploy(place: Workplace, cluster: str) -> str:
    """Deploy a cluster, without its schedules. Returns: the id of its deployment of provision."""
    done = place.run("deployments.register", "--name", cluster, "--account", "local")
    assert done.code == 0, done.err
    found = ask(place, f"deployments/name/provision/{cluster}", verb="GET")
    for flow in ("autoscale", "monitor"):
        one = ask(place, f"deployments/name/{flow}/{cluster}", verb="GET")
        ask(place, f"deployments/{one['id']}/pause_deployment")
    return str(found["id"])


def start(place: Workplace, deployment: str, cluster: str) -> str:
    spec = {"name": cluster, "nodes": {"count": 1}}
    given = {"parameters": {"spec": spec, "demo": False, "ui": False}}
    return str(ask(place, f"deployments/{deployment}/create_flow_run", given)["id"])


def states(place: Workplace, runs: list[str]) -> Counter[str]:
    wanted = {"flow_runs": {"id": {"any_": runs}}}
    return Counter(run["state_type"] for run in ask(place, "flow_runs/filter", wanted))


def wait_for(place: Workplace, runs: list[str], done: Callable[[Counter[str]], bool]) -> None:
    """Look until it is so; the limit of the test ends it."""
    last: Counter[str] = Counter()
    while not done(seen := states(place, runs)):
        if seen != last:
            print(f"{time.strftime('%H:%M:%S')} {dict(seen)}", flush=True)
            for run in read(place, runs):
                if run["state_type"] in ("CRASHED", "FAILED"):
                    print(f"{run['name']}: {run['state']['message']}", flush=True)
        last = seen
        time.sleep(1)


@pytest.mark.timeout(1500)
def test_the_runs_of_a_killed_worker_are_taken_up_and_nothing_exists_twice(
    places: tuple[Workplace, Workplace],
) -> None:
    one, other = places
    deployments = [deploy(one, name) for name in CLUSTERS]
    with worker(one, "worker-1") as first, worker(other, "worker-2") as second:
        began = time.monotonic()
        pairs = zip(deployments, CLUSTERS, strict=True)
        runs = [start(one, deployment, name) for deployment, name in pairs]
        wait_for(one, runs, lambda seen: seen["RUNNING"] + seen["COMPLETED"] == len(CLUSTERS))
        wait_for(one, runs, lambda seen: has_machines(one) or bool(seen["COMPLETED"]))
        kill(max(first, second, key=lambda busy: len(children_of(busy.pid))))
        killed = time.monotonic()
        print(f"one worker killed after {killed - began:.0f} s", flush=True)
        wait_for(other, runs, lambda seen: seen["COMPLETED"] == len(CLUSTERS))
        ended = time.monotonic()
    seen = one.cloud()
    taken_up = [run["name"] for run in read(other, runs) if run["run_count"] > 1]
    print(
        f"{len(CLUSTERS)} clusters in {ended - began:.0f} s, {ended - killed:.0f} s after the "
        f"kill; {sum(seen['calls'].values())} calls of the cloud; {len(runs)} runs, "
        f"{len(taken_up)} of them taken up by the other worker"
    )
    assert taken_up
    assert states(other, runs) == {"COMPLETED": len(CLUSTERS)}
    assert max(run["run_count"] for run in read(other, runs)) == 2  # none began a third time
    number = len(CLUSTERS)
    expected = {"instance": 2, "router": 1, "vxnet": 1, "eip": 1, "loadbalancer": 1, "keypair": 1}
    assert {kind: seen["resources"][kind] for kind in expected} == {
        kind: count * number for kind, count in expected.items()
    }


def read(place: Workplace, runs: list[str]) -> list[dict[str, Any]]:
    return list(ask(place, "flow_runs/filter", {"flow_runs": {"id": {"any_": runs}}}))


def has_machines(place: Workplace) -> bool:
    return int(place.cloud()["resources"].get("instance", 0)) >= len(CLUSTERS) // 2
