"""Running a script on many machines, through one jump host."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from threading import BoundedSemaphore, Event

from domain.cloud.records import Instance
from domain.kernel.ensured import Ensured
from domain.kernel.errors import ClusterError, TemporaryError
from domain.kernel.waiting import Clock
from domain.node.scripts import (
    USUAL_AT_ONCE,
    End,
    Script,
    ScriptReport,
    ScriptResult,
    order,
    run_script,
)
from tasks.cluster import Cluster
from tasks.shells import open_shells
from tasks.steps import report_progress, step


@dataclass(frozen=True, slots=True)
class Turns:
    """In which order machines have their turn.

    Attributes:
        at_once: machines at the same time.
        delay: seconds before the first one.
        interval: seconds between the starts of two.
        fail_fast: begin with no further one after a failure; those that run are waited for.
    """

    at_once: int = USUAL_AT_ONCE
    delay: int = 0
    interval: int = 0
    fail_fast: bool = False


@step("script on {group} of {cluster.name}")
def run_on_group(
    cluster: Cluster, group: str, machines: tuple[Instance, ...], script: Script, turns: Turns
) -> Ensured[ScriptReport]:
    """Run a script on machines; one that fails or cannot be reached is a result like any other."""
    report = ScriptReport(group, run_on_machines(cluster, machines, script, turns))
    return Ensured(report, report.sentence, failed=bool(report.failed))


def run_on_machines(
    cluster: Cluster, machines: Sequence[Instance], script: Script, turns: Turns
) -> tuple[ScriptResult, ...]:
    """Run a script on machines. Returns: their results, in the order of the machines' ids.

    Raises:
        CredentialsMissing, NotFound: the cluster's machines cannot be reached from here.
    """
    off = [one for one in machines if not one.is_up]
    stopped = [
        _result(cluster, one, End.NOT_REACHED, f"the machine is {one.transition or one.status}")
        for one in off
    ]
    running = sorted((one for one in machines if one.is_up), key=lambda one: one.id)
    return order([*stopped, *_run_on_running(cluster, running, script, turns)])


def _run_on_running(
    cluster: Cluster, machines: Sequence[Instance], script: Script, turns: Turns
) -> Sequence[ScriptResult]:
    if not machines:
        return []
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(turns.at_once, thread_name_prefix="script"))
        try:
            # Closed before the pool is waited for, so an interruption need not wait for scripts.
            open_shell = stack.enter_context(open_shells(cluster))
        except TemporaryError as error:
            return [_result(cluster, one, End.NOT_REACHED, str(error)) for one in machines]

        def visit(machine: Instance) -> ScriptResult:
            place = (cluster.group_of(machine), machine.id, cluster.node_name(machine))
            try:
                with open_shell(machine) as shell:
                    return run_script(shell, place, script, cluster.clock)
            except ClusterError as error:
                return _result(cluster, machine, End.NOT_REACHED, str(error))

        skip = partial(_result, cluster, end=End.NOT_RUN, why="another machine failed before")
        return visit_in_turns(machines, turns, visit, skip, cluster.clock, pool)


def visit_in_turns(
    machines: Sequence[Instance],
    turns: Turns,
    visit: Callable[[Instance], ScriptResult],
    skip: Callable[[Instance], ScriptResult],
    clock: Clock,
    pool: ThreadPoolExecutor,
) -> list[ScriptResult]:
    """Visit machines, so many at once, and report each end."""
    free, failed = BoundedSemaphore(turns.at_once), Event()
    running: list[Future[ScriptResult]] = []

    def go(machine: Instance) -> ScriptResult:
        try:
            found = visit(machine)
            if found.end is not End.DONE:
                failed.set()
            return found
        finally:
            free.release()

    clock.sleep(turns.delay)
    for number, machine in enumerate(machines):
        if number:
            clock.sleep(turns.interval)
        free.acquire()
        if turns.fail_fast and failed.is_set():
            break
        running.append(pool.submit(go, machine))
        report_progress(f"{number + 1} of {len(machines)} machines begun")
    return [*(one.result() for one in running), *map(skip, machines[len(running) :])]


def _result(cluster: Cluster, machine: Instance, end: End, why: str) -> ScriptResult:
    group, node = cluster.group_of(machine), cluster.node_name(machine)
    return ScriptResult(group, machine.id, node, end, why=why)
