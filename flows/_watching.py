"""Evaluate as soon as pods wait: a plain process that listens to the cluster's watch."""

import time
from collections.abc import Callable, Iterator
from threading import Event, Thread

from blocks.accounts import QingCloudAccount
from clients.kubernetes import ClusterClient
from domain.autoscaling.keeping import keep_memory
from domain.autoscaling.report import Evaluation
from domain.errors import ClusterError, FinalError
from flows._autoscaling import consider, open_case
from tasks.autoscaling import Subject, keep_counts, only_evaluator
from tasks.control_plane import open_api
from tasks.steps import run_logger

LOOK_EVERY = 30.0
"""Seconds between two looks while nothing happens; each look asks the cloud four times."""

GATHER = 0.2
"""Seconds from the first event to the look: pods come in bursts."""

PAUSES = (0.5, 8.0)
"""Seconds after a look, doubled from the first to the second while events change nothing."""

WATCH_SECONDS = 240
"""How long one watch lasts; then it begins anew, so a connection that died silently is noticed."""

Happening = Callable[[ClusterClient, int], Iterator[str]]


def watch_cluster(
    account: QingCloudAccount,
    name: str,
    policy: str,
    act: Callable[[], Evaluation],
    show: Callable[[Evaluation], None],
) -> None:
    """Look whenever something happens, and run `act` when there is something to do; for ever.

    One change at a time: what happens during a change is looked at after it.

    Raises:
        FinalError: another evaluator is at work.
    """
    with open_case(account, name, policy) as case, only_evaluator(case.subject) as other:
        if other:
            raise FinalError(f"another evaluator is at work, {other}; only one may be")
        bell = Event()
        for happening in (ClusterClient.watch_waiting_pods, ClusterClient.watch_nodes):
            Thread(target=_listen, args=(case.subject, happening, bell), daemon=True).start()
        _look_for_ever(account, name, policy, bell, act, show)


def _listen(subject: Subject, happening: Happening, bell: Event) -> None:
    """Ring for each thing that happens; a connection that is lost is opened again."""
    while True:
        try:
            with open_api(subject.account, subject.cluster, subject.url) as api:
                for _ in happening(api, WATCH_SECONDS):
                    bell.set()
        except ClusterError as error:
            run_logger().warning("the watch begins anew: %s", error)
            time.sleep(PAUSES[0])


def _look_for_ever(
    account: QingCloudAccount,
    name: str,
    policy: str,
    bell: Event,
    act: Callable[[], Evaluation],
    show: Callable[[Evaluation], None],
) -> None:
    pause, last = PAUSES[0], ""
    while True:
        rang = bell.wait(LOOK_EVERY)
        if rang:
            time.sleep(GATHER)
        bell.clear()
        words = _look(account, name, policy, act, show, last)
        pause = min(2 * pause, PAUSES[1]) if rang and words == last else PAUSES[0]
        last = words
        time.sleep(pause)


def _look(
    account: QingCloudAccount,
    name: str,
    policy: str,
    act: Callable[[], Evaluation],
    show: Callable[[Evaluation], None],
    last: str,
) -> str:
    """Look once, act where something is to be done; returns what was said."""
    try:
        with open_case(account, name, policy) as case:
            finding = consider(case)
            found = finding.evaluation
            if not found.changes:
                keep_memory(case.subject.api, case.subject.group, finding.memory)
                keep_counts(name, case.policy, finding.snapshot)
        if found.changes:
            found = act()  # it looks again, and what it sees then counts
    except ClusterError as error:
        run_logger().warning("%s", error)
        return str(error)
    if found.sentence != last:
        show(found)
    return found.sentence
