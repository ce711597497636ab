"""Evaluate as soon as pods wait: a plain process that listens to the cluster's watch."""

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
from tasks.lease import in_thread, only_evaluator
from tasks.steps import run_logger

LOOK_EVERY = 30.0
"""Seconds between two looks while nothing happens; each look asks the cloud once."""

GATHER = 0.2
"""Seconds from the first event to the look: pods come in bursts."""

PAUSES = (0.5, 8.0)
"""Seconds after a look, doubled from the first to the second while events change nothing."""

WATCH_SECONDS = 240
"""How long one watch lasts; then it begins anew, so a connection that died silently is noticed."""

Happening = Callable[[ClusterClient, int], Iterator[str]]


def watch_cluster(
    cluster: Cluster,
    policy: str,
    act: Callable[[], Evaluation],
    show: Callable[[Evaluation], None],
    say: Callable[[str], None],
) -> None:
    """Look whenever something happens, and run `act` when there is something to do; until Ctrl-C.

    One change at a time: what happens during a change is looked at after it. An evaluator that
    gives no sign of life is waited for, so that whoever starts a killed watch again need not.

    Raises:
        FinalError: another evaluator is at work.
    """

    def tell(other: Held) -> None:
        say(f"{other.describe(datetime.now(UTC))}; waiting, because one that was killed will not")

    case = open_case(cluster, policy)
    with only_evaluator(case.cluster, case.group, tell) as other:
        if other:
            raise FinalError(
                f"another evaluator is at work: {other.describe(datetime.now(UTC))}; "
                "leave the work to it (its name is its machine and its process id), or end it first"
            )
        with until_interrupted():
            say("Watching; end it with Ctrl-C")
            bell = Event()
            for happening in (ClusterClient.watch_waiting_pods, ClusterClient.watch_nodes):
                in_thread(_listen, case.cluster, happening, bell)
            _look_on(cluster, policy, bell, act, show)
    say(f"Cluster {cluster.name} is not watched any more")


def _listen(cluster: Cluster, happening: Happening, bell: Event) -> None:
    """Ring for each thing that happens; a connection that is lost is opened again."""
    while True:
        try:
            with cluster.new_api() as api:
                for _ in happening(api, WATCH_SECONDS):
                    bell.set()
        except ClusterError as error:
            run_logger().warning("the watch begins anew: %s", error)
            time.sleep(PAUSES[0])


def _look_on(
    cluster: Cluster,
    policy: str,
    bell: Event,
    act: Callable[[], Evaluation],
    show: Callable[[Evaluation], None],
) -> None:
    """Look, at each ring and now and then; what is the same as before is not shown again."""
    pause, last = PAUSES[0], ("", "", 0)
    while not is_interrupted():  # whose exception a flow run that is just ending may swallow
        rang = bell.wait(LOOK_EVERY)
        if rang:
            time.sleep(GATHER)
        bell.clear()
        found = _look(cluster, policy, act)
        gist = (found.kind, found.reason or found.sentence, found.size)  # not the seconds left
        if gist != last:
            show(found)
        pause = min(2 * pause, PAUSES[1]) if rang and gist == last else PAUSES[0]
        last = gist
        time.sleep(pause)


def _look(cluster: Cluster, policy: str, act: Callable[[], Evaluation]) -> Evaluation:
    """Look once, and act where something is to be done; what does not answer now may later."""
    name = cluster.name
    try:
        case = open_case(cluster, policy)
        with only_evaluator(case.cluster, case.group) as other:
            now = datetime.now(UTC)
            if other:
                return skipped(name, case.group, now, f"the lease is with {other.holder} now")
            finding = consider(case)
            if finding.evaluation.changes or finding.is_unfinished:
                return act()  # it looks again, and what it sees then counts
            keep_memory(case.cluster.api(), case.group, finding.memory)
            keep_counts(name, case.policy, finding.snapshot)
            return finding.evaluation
    except ClusterError as error:
        return skipped(name, NODES, datetime.now(UTC), str(error))
    except SERVER_ERRORS as error:
        return skipped(name, NODES, datetime.now(UTC), describe_silent(error))
