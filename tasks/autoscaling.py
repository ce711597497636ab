"""Parts of one evaluation: read, decide, store the decision, publish it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from httpx import HTTPError
from prefect.exceptions import PrefectException
from prefect.runtime import flow_run

from blocks.artifacts import publish_markdown
from blocks.monitoring import open_samples
from blocks.server_calls import read_server_time
from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decide.repair import Patient, judge
from domain.autoscaling.decide.scene import Scene
from domain.autoscaling.decide.sharing import share_pods
from domain.autoscaling.decision import Decision
from domain.autoscaling.memory import keeping
from domain.autoscaling.memory.memory import Memory
from domain.autoscaling.report import Evaluation, evaluation_of
from domain.autoscaling.see import state
from domain.autoscaling.see.snapshot import SeenPod, Snapshot
from domain.autoscaling.see.standings import count_useless
from domain.autoscaling.see.state import ClusterState, GroupState, Marked
from domain.cloud.records import Instance, InstanceType
from domain.kernel.errors import ClusterError
from domain.kernel.names import ClusterId, node_name
from domain.observe.metrics.records import Sample, Window, WindowStatistics
from domain.spec.metrics import PODS, Per, unit_of
from domain.spec.scaling import RepairMode, ScalingPolicy
from tasks.cases import Case
from tasks.cluster import Cluster
from tasks.events import announce
from tasks.reports import artifact_key
from tasks.steps import run_logger

LATEST = timedelta(seconds=60)
"""A run that starts later than this is skipped: the next one of the schedule is due."""


@dataclass(frozen=True)
class Finding:
    """A decision, its input, and the memory to store.

    Attributes:
        useless: number of the group's machines that are broken or being removed.
        marked: nodes that a previous evaluator began to empty.
    """

    snapshot: Snapshot
    decision: Decision
    memory: Memory
    evaluation: Evaluation
    useless: int = 0
    marked: tuple[Marked, ...] = ()

    @property
    def is_unfinished(self) -> bool:
        """Whether a previous evaluator was interrupted in the middle of a change."""
        adding = self.memory.adding
        return bool(self.marked) or bool(adding and adding.is_due(self.snapshot.time))


def consider(case: Case) -> Finding:
    """Read the load and decide. Changes nothing."""
    seen = case.cluster.api().read_state()
    now = datetime.now(UTC)
    snapshot = take_snapshot(case, seen, now)
    memory = keeping.read_memory(case.cluster.api(), case.group)
    if case.others and snapshot.pending:
        snapshot = replace(snapshot, pending=_share_of(case, seen, snapshot, memory))
    decision, memory = decide(snapshot, case.policy, memory)
    found = evaluation_of(decision, case.cluster.name, case.group, now)
    useless = count_useless(snapshot, case.policy)
    return Finding(snapshot, decision, memory, found, useless, seen.marked)


def _share_of(
    case: Case, seen: ClusterState, snapshot: Snapshot, memory: Memory
) -> tuple[SeenPod, ...]:
    """The waiting pods for which this group buys machines, of those of all groups."""
    scenes = {case.group: Scene(snapshot, case.policy, memory)}
    for policy in case.others:
        other = replace(case, policy=policy)
        kept = keeping.read_memory(case.cluster.api(), policy.group)
        scenes[policy.group] = Scene(take_snapshot(other, seen, snapshot.time), policy, kept)
    order = [group for group in case.spec.node_groups if group in scenes]
    price = case.spec.prices.machine
    return share_pods({group: scenes[group] for group in order}, price)[case.group]


def judge_broken(case: Case, *, force: bool = False) -> list[tuple[Patient, str | None]]:
    """Every broken machine of the group, and the reason why a repair on request leaves it.

    The policy's limits for the autoscaler, which acts alone, do not hold for a person.

    Args:
        force: also where so many are broken that the cause is hardly the machines' own.
    """
    at_once = {"mode": RepairMode.REPLACE, "after_seconds": 0, "most_an_hour": 1000}
    changes: dict[str, object] = {"repair": case.policy.repair.model_copy(update=at_once)}
    if force:
        changes["most_not_ready"] = 1.0
    policy = case.policy.model_copy(update=changes)
    seen, now = case.cluster.api().read_state(), datetime.now(UTC)
    memory = keeping.read_memory(case.cluster.api(), case.group)
    memory = replace(memory, repairs=(), stuck={})
    return judge(Scene(take_snapshot(case, seen, now), policy, memory))


def seconds_late(now: datetime) -> float:
    """Seconds from the scheduled time to the start of the present run; 0 without a schedule.

    The server schedules by its own clock, so a delay that would skip the run is measured by that.
    """
    due = flow_run.scheduled_start_time
    if due and now - due > LATEST:
        now = read_server_time()
    return max(0.0, (now - due).total_seconds()) if due else 0.0


def unfinished_removals(
    marked: Sequence[Marked], machines: Sequence[Instance], group: str
) -> list[tuple[Marked, Instance | None]]:
    """Nodes whose removal was begun and not finished, with their machines if they exist.

    Only for the holder of the Lease, and before it acts: a mark of its own is then of an earlier
    removal that could not be reverted.
    """
    names = {node_name(group, machine.id): machine for machine in machines}
    return [(mark, names.get(mark.node)) for mark in marked]


def take_snapshot(case: Case, seen: ClusterState, now: datetime) -> Snapshot:
    """Build the snapshot from the states of cluster and cloud, and from the samples."""
    spec, policy = case.spec, case.policy
    machines = case.machines.group(case.group)
    offered: Sequence[InstanceType] = ()
    if state.unseen_types(seen, machines, spec, policy):
        offered = case.cluster.cloud.known.list_instance_types()
    known = frozenset(case.cluster.credentials().host_keys)
    statistics = read_windows(case.cluster.id, policy, now)
    group = GroupState(machines, known, offered, case.cluster.cloud.measure_lag())
    return state.take_snapshot(seen, group, spec, policy, statistics, now)


def read_windows(
    cluster: ClusterId, policy: ScalingPolicy, now: datetime
) -> Mapping[int, Sequence[WindowStatistics]]:
    """Read the windows of a policy's rules. Returns: nothing while the database does not answer."""
    try:
        with open_samples(cluster) as samples:
            return {
                seconds: samples.statistics(
                    Window(now - timedelta(seconds=seconds), now, metrics, policy.group),
                    Per.MACHINE,
                )
                for seconds, metrics in policy.windows.items()
            }
    except ClusterError as error:
        run_logger().warning("%s", error)
        return {}


def keep_counts(cluster: ClusterId, policy: ScalingPolicy, snapshot: Snapshot) -> None:
    """Store the number of pods of each node, for the windows of the next evaluations.

    Where the monitor also runs, these are additional samples of the same metric.
    """
    if not any(PODS in metrics for metrics in policy.windows.values()):
        return
    unit, group = unit_of(PODS), policy.group
    counts = [
        Sample(
            snapshot.time, cluster.name, group, node.name, PODS, float(node.count_workload()), unit
        )
        for node in snapshot.nodes
        if node.group == group and node.ready
    ]
    try:
        with open_samples(cluster) as samples:
            samples.add(counts)
    except ClusterError as error:
        run_logger().warning("%s", error)


def log_event(cluster: Cluster, group: str, reason: str, words: str) -> None:
    """Create an Event in the cluster and one on the Prefect server, and log a line in the run."""
    run_logger().info("%s %s: %s", cluster.name, reason, words)
    payload = {"group": group, "reason": reason, "message": words}
    announce(cluster.key, cluster.name, f"autoscaler.{_kebab(reason)}", payload)
    try:
        keeping.record_event(cluster.api(), group, reason, words)
    except ClusterError as error:  # a missing Event must not end the change
        run_logger().warning("no Event was created: %s", error)


def _kebab(reason: str) -> str:
    return re.sub("(?<!^)(?=[A-Z])", "-", reason).lower()


def publish_evaluation(evaluation: Evaluation, key: str) -> None:
    """Publish a change of the size as an artifact in the Prefect UI, which keeps all versions.

    Args:
        key: the cluster's key.
    """
    outcome = "done" if evaluation.acted else f"failed: {evaluation.failure}"
    lines = [
        f"# {evaluation.cluster}, {evaluation.group}: {evaluation.size} → {evaluation.target}",
        evaluation.sentence,
        f"At {evaluation.time:%Y-%m-%d %H:%M:%S %Z}; {outcome}",
        "\n".join(f"- {words}" for words in evaluation.details),
    ]
    try:
        publish_markdown(
            "\n\n".join(lines) + "\n",
            artifact_key("autoscale", key),
            evaluation.sentence,
            patience=0.0,
        )
    except (ClusterError, HTTPError, PrefectException) as error:  # the Event has it as well
        run_logger().warning("no artifact was created: %s", error)
