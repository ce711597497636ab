"""One evaluation of a group: read, decide, store the memory, and carry the decision out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.autoscaling.decision import Hold, Repair, ScaleIn, ScaleOut
from domain.autoscaling.memory.keeping import keep_memory, read_memory
from domain.autoscaling.memory.memory import Memory
from domain.autoscaling.memory.remembering import (
    act_done,
    act_failed,
    addition_began,
    addition_ended,
    addition_tried,
    launch_failed,
    removal_failed,
    repair_failed,
)
from domain.autoscaling.report import Evaluation, skipped, skipped_for_other, together
from domain.cloud.records import Instance
from domain.kernel.errors import ClusterError, NotFound, PolicyUnreadable
from domain.kernel.names import NODES
from domain.node.remove import check_still_broken
from flows.runbooks.scale import scale_in, scale_out
from tasks.autoscaling import (
    Finding,
    consider,
    keep_counts,
    log_event,
    publish_evaluation,
    unfinished_removals,
)
from tasks.cases import Case, Input, open_case, read_input
from tasks.cluster import Cluster
from tasks.control_plane import store_spec
from tasks.executors import Steps
from tasks.lease import HOLDER, only_evaluator
from tasks.metrics import need_machines
from tasks.runs import unless_other_run
from tasks.scaling import delete_node, uncordon
from tasks.scalings import recorded_scaling
from tasks.standings import read_standings
from tasks.steps import describe_error, run_logger


def evaluate_groups(
    steps: Steps, cluster: Cluster, policy: str = "", *, dry_run: bool = False
) -> Evaluation:
    """Evaluate each group of nodes, one after the other.

    Args:
        policy: a preset or a YAML file, for one group alone.
        dry_run: decide, and change nothing.

    Returns:
        The evaluation of `k8s-node`, or of the policy's group, with the others in it. Where there
        is no such cluster, or it does not answer, nothing was decided.

    Raises:
        ClusterError: a change was begun and not finished; the other groups are evaluated first.
    """
    try:
        found = read_input(cluster)
    except NotFound as error:
        return skipped(cluster.name, NODES, datetime.now(UTC), str(error))
    done: list[Evaluation] = []
    errors: list[ClusterError] = []
    for group in found.evaluated(policy):
        if errors or any(one.acted for one in done):
            cluster.look_again()
            found = read_input(cluster)
        try:
            done.append(_evaluate_group(steps, found, policy, group, dry_run=dry_run))
        except ClusterError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return together(done)


def _evaluate_group(
    steps: Steps, found: Input, policy: str, group: str, *, dry_run: bool
) -> Evaluation:
    cluster = found.cluster
    try:
        case = found.case(policy, group)
    except PolicyUnreadable as error:
        return skipped(cluster.name, group, datetime.now(UTC), str(error))
    if dry_run:
        return consider(case).evaluation
    with only_evaluator(cluster, case.group) as other:
        if other:
            who = other.describe(cluster.api().read_time())
            return skipped_for_other(cluster.name, case.group, datetime.now(UTC), who)
        return evaluate(steps, case)


def evaluate(steps: Steps, case: Case) -> Evaluation:
    """Read, decide, store the memory and act; only for the holder of the group's Lease.

    An unfinished change of a previous evaluator comes first, and then a new evaluation. While
    another run changes the cluster from this machine, this one changes nothing.

    Raises:
        ClusterError: the change was begun and not finished; Event, artifact and memory record it.
    """
    finding, cluster = consider(case), case.cluster
    if not (finding.is_unfinished or finding.evaluation.changes):
        return _conclude(steps, case, finding)
    with unless_other_run(cluster) as other:
        if other:
            return skipped(cluster.name, case.group, datetime.now(UTC), other)
        cluster.look_again()
        if not finding.is_unfinished:
            return _conclude(steps, case, finding)
        _take_over(steps, case, finding)
        cluster.look_again()
        fresh = open_case(cluster, case.asked, case.group)
        return _conclude(steps, fresh, consider(fresh))


def _conclude(steps: Steps, case: Case, finding: Finding) -> Evaluation:
    """Store the memory, and act on the decision."""
    keep_memory(case.cluster.api(), case.group, finding.memory)
    evaluation = _act(steps, case, finding)
    keep_counts(case.cluster.id, case.policy, finding.snapshot)
    return evaluation


def _act(steps: Steps, case: Case, finding: Finding) -> Evaluation:
    change = _Change(steps, case, finding)
    match finding.decision:
        case ScaleOut() as out:
            return change.carry_out(
                "ScalingOut",
                act=lambda: change.grow(out),
                on_failure=lambda why: change.not_grown(out, why),
            )
        case ScaleIn() as removal:
            return change.carry_out(
                "ScalingIn",
                act=lambda: change.shrink(removal),
                on_failure=lambda why: removal_failed(
                    finding.memory, datetime.now(UTC), removal.node, why
                ),
            )
        case Repair() as repair:
            return change.carry_out(
                "Repairing",
                act=lambda: change.repair(repair),
                on_failure=lambda why: repair_failed(
                    finding.memory, datetime.now(UTC), repair.node, why
                ),
            )
        case Hold():
            return finding.evaluation


@dataclass(frozen=True)
class _Change:
    """A decision that is being carried out."""

    steps: Steps
    case: Case
    finding: Finding

    def carry_out(
        self, event: str, *, act: Callable[[], None], on_failure: Callable[[str], Memory]
    ) -> Evaluation:
        """Act, and report before and after; a failure is reported and raised."""
        cluster, group = self.case.cluster, self.case.group
        evaluation = self.finding.evaluation
        log_event(cluster, group, event, evaluation.sentence)
        record = recorded_scaling(
            cluster,
            group,
            "autoscale",
            evaluation.sentence,
            before=evaluation.size,
            wanted=evaluation.target,
        )
        try:
            with record:
                act()
        except BaseException as error:
            failed = evaluation.failed(describe_error(error))
            try:
                keep_memory(cluster.api(), group, on_failure(failed.failure))
            except ClusterError as other:  # the first error is raised
                run_logger().warning("the failure was not stored in the cluster: %s", other)
            log_event(cluster, group, f"{event}Failed", f"{evaluation.sentence}; {failed.failure}")
            publish_evaluation(failed, cluster.key)
            raise
        memory = act_done(self.finding.memory, self.finding.decision)
        keep_memory(cluster.api(), group, memory)
        log_event(cluster, group, event.replace("ing", "ed"), evaluation.sentence)
        publish_evaluation(evaluation.done(), cluster.key)
        return evaluation.done()

    def grow(self, decision: ScaleOut) -> None:
        """Add machines of the chosen type."""
        cluster, group = self.case.cluster, self.case.group
        began = addition_began(self.finding.memory, self.finding.snapshot.time)
        keep_memory(cluster.api(), group, began)
        count = self._count_with(decision)
        # The decision has chosen the type; the next evaluation tries another one.
        wanting = self.case.with_machines(
            count, instance_type=decision.instance_type, fallback_types=()
        )
        scale_out(self.steps, wanting, self.case.group, only_new=True)
        _store(self.steps, self.case, decision.target)

    def _count_with(self, decision: ScaleOut) -> int:
        """The number of machines in the cloud at the target, with broken and leaving ones."""
        return decision.target + self.finding.useless

    def not_grown(self, decision: ScaleOut, why: str) -> Memory:
        """The memory after a failed addition, by the machines that exist nevertheless."""
        now = datetime.now(UTC)
        existing = len(need_machines(self.case.cluster).group(self.case.group))
        memory = self.finding.memory
        if existing > self.case.size:
            memory = addition_tried(addition_began(memory, self.finding.snapshot.time), now)
        if existing < self._count_with(decision):
            back_off = self.case.policy.back_off
            return launch_failed(memory, now, decision.instance_type, why, back_off)
        return act_failed(memory, why)

    def repair(self, decision: Repair) -> None:
        """Remove exactly the broken machine, or the node that has lost its machine."""
        cluster = self.case.cluster
        if not decision.machine:
            self.steps.run(delete_node, cluster, decision.node)
            return
        for machine, standing in read_standings(cluster, self._find(decision.machine)).items():
            check_still_broken(machine, standing)
        self.shrink(decision)

    def shrink(self, decision: ScaleIn | Repair) -> None:
        """Remove exactly the chosen machine."""
        leaving = self._find(decision.machine)
        scale_in(self.steps, self.case.cluster, leaving, HOLDER, self.case.policy.drain_seconds)
        _store(self.steps, self.case, decision.target)

    def _find(self, machine_id: str) -> list[Instance]:
        machines = self.case.cluster.inventory().group(self.case.group)
        found = [machine for machine in machines if machine.id == machine_id]
        if not found:
            raise NotFound(f"machine {machine_id} does not exist any more")
        return found


def _store(steps: Steps, case: Case, size: int) -> None:
    """Store the size, or the bound of the group that it is beyond while machines are broken."""
    bounds = case.spec.nodes_of(case.group)
    within = min(max(size, bounds.minimum), bounds.maximum)
    steps.run(store_spec, case.cluster.wanting(case.spec.with_count(case.group, within)))


def _take_over(steps: Steps, case: Case, finding: Finding) -> None:
    """Revert unfinished removals of previous evaluators, and finish an addition."""
    cluster, group = case.cluster, case.group
    for mark, machine in unfinished_removals(finding.marked, case.machines.group(group), group):
        words = f"{mark.node} was left by {mark.holder} in the middle of its removal"
        log_event(cluster, group, "RemovalTakenOver", words)
        if machine is None:
            steps.run(delete_node, cluster, mark.node)
        else:
            steps.run(uncordon, cluster, machine)
    if finding.memory.adding:
        _finish_addition(steps, case, finding.memory.adding.began, case.size - finding.useless)


def _finish_addition(steps: Steps, case: Case, began: datetime, size: int) -> None:
    """Bring the existing machines into the cluster as nodes, and buy none.

    Retried each minute, for as long as a machine may take to boot.

    Args:
        size: the number of machines that are neither broken nor being removed.
    """
    cluster, group, now = case.cluster, case.group, datetime.now(UTC)
    memory = read_memory(cluster.api(), group)
    if now - began < timedelta(seconds=case.policy.boot_seconds):
        words = (
            f"an addition that began at {began:%H:%M:%S %Z} is finished, without buying any more"
        )
        log_event(cluster, group, "AdditionTakenOver", words)
        try:
            scale_out(steps, case.with_machines(case.size), group, only_new=True)
            _store(steps, case, size)
        except ClusterError as error:
            log_event(cluster, group, "AdditionTakenOverFailed", str(error))
            keep_memory(cluster.api(), group, addition_tried(memory, now))
            return
    keep_memory(cluster.api(), group, addition_ended(memory))
