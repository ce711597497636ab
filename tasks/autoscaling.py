"""Tasks of one evaluation: be the only one, look, remember, tell."""

import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Event, Lock, Thread
from typing import ParamSpec

from httpx import HTTPError
from prefect.artifacts import create_markdown_artifact
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run

from blocks.accounts import QingCloudAccount
from blocks.credentials import ClusterCredentials
from blocks.monitoring import open_samples
from clients.kubernetes import ClusterClient
from domain.autoscaling.memory import keeping
from domain.autoscaling.report import Evaluation
from domain.autoscaling.see import state
from domain.autoscaling.see.snapshot import Snapshot
from domain.autoscaling.see.state import ClusterState, GroupState, Marked
from domain.cloud.inventory import Inventory
from domain.cloud.records import Instance, InstanceType
from domain.cluster.leases import VALID, Claim, Held, give_lease_back, outwait_lease, take_lease
from domain.kernel.errors import ClusterError
from domain.kernel.names import node_name
from domain.observe.metrics.records import Sample, Window, WindowStatistics
from domain.spec.cluster import ClusterSpec
from domain.spec.metrics import PODS, Per, unit_of
from domain.spec.scaling import ScalingPolicy
from tasks.credentials import read_credentials
from tasks.reports import artifact_key
from tasks.steps import run_logger

P = ParamSpec("P")

LATEST = timedelta(seconds=60)
"""A run that starts later than this is superseded: the next one of the schedule is due."""

HOLDER = f"{socket.gethostname()}-{os.getpid()}"
"""How this process signs what it holds."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Which group of which cluster is evaluated, with the way to it."""

    account: QingCloudAccount
    cluster: str
    group: str
    url: str
    api: ClusterClient
    credentials: ClusterCredentials

    @property
    def known(self) -> frozenset[str]:
        """Ids of the machines whose host keys are pinned, which are those that we installed."""
        return frozenset(self.credentials.host_keys)

    def open_api(self) -> ClusterClient:
        """Open a client of one's own, for another thread or a long time; no Prefect is asked."""
        return self.credentials.client(self.url)


@contextmanager
def open_subject(
    account: QingCloudAccount, cluster: str, group: str, url: str
) -> Iterator[Subject]:
    """Open the cluster's API for one evaluation.

    Raises:
        CredentialsMissing: the cluster's block is not on this Prefect server.
    """
    credentials = read_credentials(account, cluster)
    with credentials.client(url) as api:
        yield Subject(account, cluster, group, url, api, credentials)


def seconds_late(now: datetime) -> float:
    """How long after its scheduled time the present run began; 0 for one without a schedule."""
    due = flow_run.scheduled_start_time
    return max(0.0, (now - due).total_seconds()) if due else 0.0


_held: set[tuple[str, str]] = set()
_changing = Lock()


@contextmanager
def only_evaluator(
    subject: Subject, waiting: Callable[[Held], None] | None = None
) -> Iterator[Held | None]:
    """Hold the group's Lease meanwhile; yields who holds it instead, or nothing when it is ours.

    Inside one process it may be asked for again: whoever was first gives it back.

    Args:
        waiting: told who is waited for, as long as that one gives no sign of life; if not given,
            nobody is waited for.
    """
    key = (subject.cluster, subject.group)
    if key in _held:
        yield None
        return
    claim, now = Claim(keeping.memory_name(subject.group), HOLDER), datetime.now(UTC)
    if waiting:
        other = outwait_lease(subject.api, claim, now, waiting)
    else:
        other = take_lease(subject.api, claim, now)
    if other:
        yield other
        return
    ended = Event()
    renewing = in_thread(_renew, subject, claim, ended)
    with _changing:
        _held.add(key)
    try:
        yield None
    finally:
        ended.set()
        renewing.join()
        with _changing:
            _held.discard(key)
        try:
            with subject.open_api() as api:
                give_lease_back(api, claim)
        except ClusterError as error:  # it ends by itself
            run_logger().warning("the lease of %s stays for a minute: %s", subject.group, error)


def _renew(subject: Subject, claim: Claim, ended: Event) -> None:
    """Renew until the end; a lease that was lost meanwhile is ours again when it is free."""
    key = (subject.cluster, subject.group)
    while not ended.wait(VALID.total_seconds() / 3):
        try:
            with subject.open_api() as api:
                other = take_lease(api, claim, datetime.now(UTC))
        except ClusterError as error:  # there are two more tries before it ends
            run_logger().warning("the lease of %s was not renewed: %s", subject.group, error)
            continue
        with _changing:
            if not other:
                _held.add(key)
            elif key in _held:
                run_logger().error("the lease of %s was lost to %s", subject.group, other.holder)
                _held.discard(key)


def in_thread(function: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> Thread:
    """Start a thread that ends with the process, and knows the run and the settings of this one."""
    work = partial(copy_context().run, function, *args, **kwargs)
    thread = Thread(target=work, daemon=True)
    thread.start()
    return thread


def left_behind(
    marked: Sequence[Marked], machines: Sequence[Instance], group: str
) -> list[tuple[Marked, Instance | None]]:
    """Nodes whose removal was begun and not ended, with their machines if they live.

    Only for whoever holds the Lease, and before acting: a mark of our own then tells of an
    earlier act that could not even be taken back.
    """
    names = {node_name(group, machine.id): machine for machine in machines}
    return [(mark, names.get(mark.node)) for mark in marked]


def look(
    subject: Subject,
    view: Inventory,
    cluster: ClusterState,
    spec: ClusterSpec,
    policy: ScalingPolicy,
    now: datetime,
) -> Snapshot:
    """Put the snapshot together from what the cluster, the cloud and the samples say."""
    machines = view.group(subject.group)
    offered: Sequence[InstanceType] = ()
    if state.unseen_types(cluster, machines, spec, policy):
        with subject.account.client() as cloud:
            offered = cloud.list_instance_types()
    group = GroupState(machines, subject.known, offered)
    statistics = read_windows(subject.cluster, policy, now)
    return state.take_snapshot(cluster, group, spec, policy, statistics, now)


def read_windows(
    cluster: str, policy: ScalingPolicy, now: datetime
) -> Mapping[int, Sequence[WindowStatistics]]:
    """Read the windows of a policy's rules; none where the samples' database does not answer."""
    try:
        with open_samples() as samples:
            return {
                seconds: samples.statistics(
                    Window(cluster, now - timedelta(seconds=seconds), now, metrics, policy.group),
                    Per.MACHINE,
                )
                for seconds, metrics in policy.windows.items()
            }
    except ClusterError as error:
        run_logger().warning("%s", error)
        return {}


def keep_counts(cluster: str, policy: ScalingPolicy, snapshot: Snapshot) -> None:
    """Keep how many pods each node has, for the windows of the next evaluations.

    Where the monitor runs, too, it is one more sample of the same thing.
    """
    if not any(PODS in metrics for metrics in policy.windows.values()):
        return
    unit, group = unit_of(PODS), policy.group
    counts = [
        Sample(snapshot.time, cluster, group, node.name, PODS, float(node.count_workload()), unit)
        for node in snapshot.nodes
        if node.group == group and node.ready
    ]
    try:
        with open_samples() as samples:
            samples.add(counts)
    except ClusterError as error:
        run_logger().warning("%s", error)


def tell(subject: Subject, reason: str, words: str) -> None:
    """Write an Event of the cluster, and a line of the run's log."""
    run_logger().info("%s %s: %s", subject.cluster, reason, words)
    try:
        keeping.record_event(subject.api, subject.group, reason, words)
    except ClusterError as error:  # what is told must not end what is done
        run_logger().warning("no Event of it: %s", error)


def publish_evaluation(evaluation: Evaluation) -> None:
    """Show a change of the size in the Prefect UI; its artifact keeps the history of all."""
    outcome = "done" if evaluation.acted else f"failed: {evaluation.failure}"
    lines = [
        f"# {evaluation.cluster}, {evaluation.group}: {evaluation.size} → {evaluation.target}",
        evaluation.sentence,
        f"At {evaluation.time:%Y-%m-%d %H:%M:%S %Z}; {outcome}",
        "\n".join(f"- {words}" for words in evaluation.details),
    ]
    try:
        create_markdown_artifact(
            "\n\n".join(lines) + "\n",
            key=artifact_key("autoscale", evaluation.cluster),
            description=evaluation.sentence,
        )
    except (HTTPError, PrefectException) as error:  # the Event tells it, too
        run_logger().warning("no artifact of it: %s", error)
