"""How well many machines are brought in at once: `python -m benchmarks.many_nodes`.

On a local cloud of its own a cluster of one master and three groups of nodes gets a hundred nodes
more by one run of `provision`. The critical path is what the run would take if each machine had the
way for itself: the steps before the first machine, those of the slowest machine, and those after
the last one, by the Prefect server's records. The ratio is that of the run to this path; the last
lines count the calls of the cloud.
"""

import argparse
import sys
from collections import Counter, defaultdict
from datetime import datetime

import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas import FlowRun, TaskRun
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from benchmarks.masters import command, workplace
from tests.acceptance.workplace import Workplace

MOST_CALLS = 150

OF_A_MACHINE = ("packages on node ", "join of node ", "node ")
"""How the names of the steps of one machine begin, in their order; its id follows."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="realistic", choices=("instant", "fast", "realistic"))
    parser.add_argument("--nodes", type=int, default=100)
    options = parser.parse_args()
    with workplace(options.profile) as place:
        provision(place, 1)
        before = Counter(place.cloud()["calls"])
        provision(place, 1 + options.nodes // 3, last=1 + options.nodes - 2 * (options.nodes // 3))
        calls = Counter(place.cloud()["calls"]) - before
        with temporary_settings({PREFECT_API_URL: place.environment["PREFECT_API_URL"]}):
            run, steps = read_last_run()
    begun, ended = _times(run)
    took, path = (ended - begun).total_seconds(), critical_path(run, steps)
    print(f"{options.nodes} nodes: {took:.1f} s, critical path {path:.1f} s, {took / path:.2f}x")
    print(f"{calls.total()} calls of the cloud, wanted at most {MOST_CALLS}")
    for action, count in calls.most_common():
        print(f"{count:5} {action}")
    return 0 if calls.total() <= MOST_CALLS else 1


def provision(place: Workplace, size: int, last: int = 1) -> None:
    groups = {"web": {"count": size, "maximum": 100}, "batch": {"count": last, "maximum": 100}}
    wanted = {"name": "demo", "nodes": {"count": size, "maximum": 100}, "groups": groups}
    file = place.home / "demo.yaml"
    file.write_text(yaml.safe_dump(wanted))
    command(place, "flows.provision", "--file", str(file), "--no-demo", "--no-ui")


def read_last_run() -> tuple[FlowRun, list[TaskRun]]:
    """The last run of `provision` and all its steps."""
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(sort=FlowRunSort.START_TIME_DESC)
        run = next(one for one in runs if one.name.startswith("provision"))
        chosen = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        steps: list[TaskRun] = []
        while len(more := client.read_task_runs(flow_run_filter=chosen, offset=len(steps))):
            steps += more
    return run, [step for step in steps if step.start_time and step.end_time]


def critical_path(run: FlowRun, steps: list[TaskRun]) -> float:
    """Seconds of the run if no step had waited for another machine's."""
    own: dict[str, float] = defaultdict(float)
    begins: list[datetime] = []
    ends: list[datetime] = []
    for step in steps:
        machine = machine_of(step)
        if machine:
            begin, end = _times(step)
            own[machine] += (end - begin).total_seconds()
            begins.append(begin)
            ends.append(end)
    begun, ended = _times(run)
    before, after = min(begins) - begun, ended - max(ends)
    return before.total_seconds() + max(own.values()) + after.total_seconds()


def machine_of(step: TaskRun) -> str:
    """The machine that a step brings in; empty for every other step."""
    for begin in OF_A_MACHINE:
        if step.name.startswith(f"{begin}i-"):
            return step.name.removeprefix(begin).split()[0]
    return ""


def _times(run: FlowRun | TaskRun) -> tuple[datetime, datetime]:
    assert run.start_time is not None
    assert run.end_time is not None
    return run.start_time, run.end_time


if __name__ == "__main__":
    sys.exit(main())
