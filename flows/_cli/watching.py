"""Evaluating as soon as pods wait: a process that listens to the cluster's watches."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from threading import Event

from clients.kubernetes import ClusterClient
from domain.autoscaling.memory.keeping import keep_memory
from domain.autoscaling.report import Evaluation, skipped
from domain.cluster.leases import Held
from domain.kernel.errors import ClusterError, FinalError
from domain.kernel.names import NODES
from flows._cli.interruption import is_interrupted, until_interrupted
from flows._cli.server import SERVER_ERRORS, describe_silent
from tasks.autoscaling import consider, keep_counts, open_case
from tasks.cluster import Cluster
from tasks.lease import only_evaluator
from tasks.steps import run_logger
from tasks.threads import in_thread

EVALUATE_EVERY = 30.0
"""Seconds between two evaluations without events; each sends the cloud one call."""

GATHER = 0.2
"""Seconds from the first event to the evaluation: pods are created in bursts."""

PAUSES = (0.5, 8.0)
"""Seconds after an evaluation, doubled from the first to the second while nothing changes."""

WATCH_SECONDS = 240
"""How long one watch lasts; a new one then replaces a connection that was lost silently."""

EventSource = Callable[[ClusterClient, int], Iterator[str]]


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
            has_event = Event()
            for source in (ClusterClient.watch_waiting_pods, ClusterClient.watch_nodes):
                in_thread(_listen, case.cluster, source, has_event)
            _evaluate_at_events(cluster, policy, has_event, act, show)
    print_line(f"Stopped watching cluster {cluster.name}")


def _listen(cluster: Cluster, source: EventSource, has_event: Event) -> None:
    """Set `has_event` at each event; a lost connection is opened again."""
    while True:
        try:
            with cluster.new_api() as api:
                for _ in source(api, WATCH_SECONDS):
                    has_event.set()
        except ClusterError as error:
            run_logger().warning("the watch is opened again: %s", error)
            time.sleep(PAUSES[0])


def _evaluate_at_events(
    cluster: Cluster,
    policy: str,
    has_event: Event,
    act: Callable[[], Evaluation],
    show: Callable[[Evaluation], None],
) -> None:
    """Evaluate at each event and at intervals; an unchanged result is not shown again."""
    pause, last = PAUSES[0], ("", "", 0)
    while not is_interrupted():  # a flow run that is just ending may swallow its exception
        had_event = has_event.wait(EVALUATE_EVERY)
        if had_event:
            time.sleep(GATHER)
        has_event.clear()
        found = _evaluate(cluster, policy, act)
        gist = (found.kind, found.reason or found.sentence, found.size)  # not the seconds left
        if gist != last:
            show(found)
        pause = min(2 * pause, PAUSES[1]) if had_event and gist == last else PAUSES[0]
        last = gist
        time.sleep(pause)


def _evaluate(cluster: Cluster, policy: str, act: Callable[[], Evaluation]) -> Evaluation:
    """Evaluate once, and act on a change; an error is a skipped evaluation."""
    name = cluster.name
    try:
        case = open_case(cluster, policy)
        with only_evaluator(case.cluster, case.group) as other:
            now = datetime.now(UTC)
            if other:
                return skipped(name, case.group, now, f"{other.holder} holds the lease now")
            finding = consider(case)
            if finding.evaluation.changes or finding.is_unfinished:
                return act()  # it evaluates again, and acts on that
            keep_memory(case.cluster.api(), case.group, finding.memory)
            keep_counts(case.cluster.id, case.policy, finding.snapshot)
            return finding.evaluation
    except ClusterError as error:
        return skipped(name, NODES, datetime.now(UTC), str(error))
    except SERVER_ERRORS as error:
        return skipped(name, NODES, datetime.now(UTC), describe_silent(error))
