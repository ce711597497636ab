"""Evaluating as soon as pods wait: a process that listens to the cluster's watches."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from clients.kubernetes import ClusterClient
from domain.autoscaling.memory.keeping import keep_memory
from domain.autoscaling.report import Evaluation, skipped, together
from domain.cluster.leases import Held
from domain.kernel.errors import ClusterError, FinalError, PolicyUnreadable
from domain.kernel.names import NODES
from flows._cli.events import Events
from flows._cli.interruption import is_interrupted, until_interrupted
from flows._cli.server import SERVER_ERRORS, describe_silent
from tasks.autoscaling import consider, keep_counts
from tasks.cases import Input, open_case, read_input
from tasks.cluster import Cluster
from tasks.lease import only_evaluator
from tasks.steps import run_logger
from tasks.threads import in_thread

EVALUATE_EVERY = 30.0
"""Seconds between two evaluations without events; each sends the cloud one call."""

PAUSES = (0.5, 8.0)
"""Seconds after an evaluation, doubled from the first to the second while nothing changes.

A pod that was not reported before does not wait for their end."""

WATCH_SECONDS = 240
"""How long one watch lasts; a new one then replaces a connection that was lost silently."""


def watch_cluster(
    cluster: Cluster,
    policy: str,
    act: Callable[[], Evaluation],
    show: Callable[[Evaluation], None],
    print_line: Callable[[str], None],
) -> None:
    """Evaluate at each event, and run `act` when there is something to change; until Ctrl-C.

    One change at a time: events during a change are evaluated after it. The Lease of a killed
    evaluator is waited for, so that a killed watch can be started again at once.

    Raises:
        FinalError: another evaluator is at work.
    """

    def describe(other: Held) -> str:
        return other.describe(case.cluster.api().read_time())

    def report_wait(other: Held) -> None:
        print_line(f"{describe(other)}; waiting for that")

    case = open_case(cluster, policy)
    with only_evaluator(case.cluster, case.group, report_wait) as other:
        if other:
            raise FinalError(
                f"another evaluator is at work: {describe(other)}; "
                "leave the work to it (its name is its machine and its process id), or end it first"
            )
        with until_interrupted():
            print_line("Watching; end it with Ctrl-C")
            events = Events()
            in_thread(_listen, case.cluster, _report_pods, events)
            in_thread(_listen, case.cluster, _report_nodes, events)
            _evaluate_at_events(cluster, policy, events, act, show)
    print_line(f"Stopped watching cluster {cluster.name}")


def _listen(
    cluster: Cluster, report: Callable[[ClusterClient, Events], None], events: Events
) -> None:
    """Report the events of one watch after the other; a lost connection is opened again."""
    while True:
        try:
            with cluster.new_api() as api:
                report(api, events)
        except ClusterError as error:
            run_logger().warning("the watch is opened again: %s", error)
            time.sleep(PAUSES[0])


def _report_pods(api: ClusterClient, events: Events) -> None:
    """Report unschedulable pods, each as urgent once a watch."""
    seen: set[str] = set()
    for pod in api.watch_waiting_pods(WATCH_SECONDS):
        events.report(urgent=pod not in seen)
        seen.add(pod)


def _report_nodes(api: ClusterClient, events: Events) -> None:
    for _ in api.watch_nodes(WATCH_SECONDS):
        events.report()


def _evaluate_at_events(
    cluster: Cluster,
    policy: str,
    events: Events,
    act: Callable[[], Evaluation],
    show: Callable[[Evaluation], None],
) -> None:
    """Evaluate at events and at intervals; an unchanged result is not shown again."""
    pause, last = PAUSES[0], [("", "", 0)]
    while not is_interrupted():  # a flow run that is just ending may swallow its exception
        had_event = events.wait(pause, EVALUATE_EVERY)
        found = _evaluate(cluster, policy, act)
        gist = [_gist(one) for one in found.each]
        if gist != last:
            show(found)
        if any(one.acted for one in found.each):
            pause = 0.0  # pods that began to wait during the change have waited long enough
        elif had_event and gist == last:
            pause = min(max(2 * pause, PAUSES[0]), PAUSES[1])
        else:
            pause = PAUSES[0]
        last = gist
        events.evaluated()


def _gist(evaluation: Evaluation) -> tuple[str, str, int]:
    """What makes an evaluation another one: not, for instance, the seconds that are left."""
    return evaluation.kind, evaluation.reason or evaluation.sentence, evaluation.size


def _evaluate(cluster: Cluster, policy: str, act: Callable[[], Evaluation]) -> Evaluation:
    """Evaluate once, and act on a change; an error is a skipped evaluation."""
    name = cluster.name
    try:
        found = read_input(cluster)
        done: list[Evaluation] = []
        for group in found.evaluated(policy):
            evaluation = _evaluate_group(found, policy, group)
            if evaluation is None:
                return act()  # it evaluates again, and acts on that
            done.append(evaluation)
        return together(done)
    except ClusterError as error:
        return skipped(name, NODES, datetime.now(UTC), str(error))
    except SERVER_ERRORS as error:
        return skipped(name, NODES, datetime.now(UTC), describe_silent(error))


def _evaluate_group(found: Input, policy: str, group: str) -> Evaluation | None:
    """Evaluate one group. Returns: None where there is something to change."""
    name, now = found.cluster.name, datetime.now(UTC)
    try:
        case = found.case(policy, group)
    except PolicyUnreadable as error:
        return skipped(name, group, now, str(error))
    with only_evaluator(case.cluster, case.group) as other:
        if other:
            return skipped(name, case.group, now, f"{other.holder} holds the lease now")
        finding = consider(case)
        if finding.evaluation.changes or finding.is_unfinished:
            return None
        keep_memory(case.cluster.api(), case.group, finding.memory)
        keep_counts(case.cluster.id, case.policy, finding.snapshot)
        return finding.evaluation
