"""One evaluation of a group: look, decide, remember, and carry the decision out."""

from collections.abc import Callable
from datetime import UTC, datetime

from domain.autoscaling.decision import Hold, ScaleIn, ScaleOut
from domain.autoscaling.memory.keeping import keep_memory
from domain.autoscaling.memory.memory import Memory
from domain.autoscaling.memory.remembering import (
    act_done,
    act_failed,
    addition_began,
    addition_tried,
    launch_failed,
    removal_failed,
)
from domain.autoscaling.report import Evaluation, skipped
from domain.kernel.errors import ClusterError, NotFound
from flows._cases import Case, Finding, consider, open_case
from flows._scaling import scale_in, scale_out
from flows._takeover import take_over
from tasks.autoscaling import HOLDER, keep_counts, publish_evaluation, tell
from tasks.control_plane import store_spec
from tasks.credentials import unless_other_run
from tasks.metrics import need_sight
from tasks.overview import need_cluster
from tasks.steps import run_logger, say_error


def evaluate(case: Case) -> Evaluation:
    """Look, decide, remember and act. Nobody else may do so at the same time.

    What another evaluator has left unfinished comes first, and then a fresh look. While a person
    changes the cluster from this machine, nothing is changed here.

    Raises:
        ClusterError: the change was begun and not finished; Event, artifact and memory say so.
    """
    finding, subject = consider(case), case.subject
    if not (finding.is_unfinished or finding.evaluation.changes):
        return conclude(case, finding)
    with unless_other_run(subject.account, subject.cluster) as other:
        if other:
            return skipped(subject.cluster, subject.group, datetime.now(UTC), other)
        if not finding.is_unfinished:
            return conclude(case, finding)
        take_over(case, finding)
        with open_case(subject.account, subject.cluster, case.asked) as fresh:
            return conclude(fresh, consider(fresh))


def conclude(case: Case, finding: Finding) -> Evaluation:
    """Remember what was found, and act on it."""
    keep_memory(case.subject.api, case.subject.group, finding.memory)
    evaluation = _act(case, finding)
    keep_counts(case.subject.cluster, case.policy, finding.snapshot)
    return evaluation


def _act(case: Case, finding: Finding) -> Evaluation:
    memory = finding.memory
    match finding.decision:
        case ScaleOut() as out:
            return _carry_out(
                case,
                finding,
                "ScalingOut",
                act=lambda: _grow(case, finding, out),
                on_failure=lambda why: _not_grown(case, finding, out, why),
            )
        case ScaleIn() as removal:
            return _carry_out(
                case,
                finding,
                "ScalingIn",
                act=lambda: _shrink(case, removal),
                on_failure=lambda why: removal_failed(memory, datetime.now(UTC), removal.node, why),
            )
        case Hold():
            return finding.evaluation


def _carry_out(
    case: Case,
    finding: Finding,
    event: str,
    *,
    act: Callable[[], None],
    on_failure: Callable[[str], Memory],
) -> Evaluation:
    """Act, and tell before and after; a failure is told and goes on to the caller."""
    subject, evaluation = case.subject, finding.evaluation
    tell(subject, event, evaluation.sentence)
    try:
        act()
    except BaseException as error:
        failed = evaluation.failed(say_error(error))
        try:
            keep_memory(subject.api, subject.group, on_failure(failed.failure))
        except ClusterError as other:  # the first error is the one that matters
            run_logger().warning("not remembered in the cluster: %s", other)
        tell(subject, f"{event}Failed", f"{evaluation.sentence}; {failed.failure}")
        publish_evaluation(failed)
        raise
    memory = act_done(finding.memory, finding.decision)
    keep_memory(subject.api, subject.group, memory)
    tell(subject, event.replace("Scaling", "Scaled"), evaluation.sentence)
    publish_evaluation(evaluation.done())
    return evaluation.done()


def _grow(case: Case, finding: Finding, decision: ScaleOut) -> None:
    """Add machines of the type that was decided on."""
    subject = case.subject
    began = addition_began(finding.memory, finding.snapshot.time)
    keep_memory(subject.api, subject.group, began)
    wanted = case.with_machines(
        _count_with(finding, decision), instance_type=decision.instance_type
    )
    view = need_cluster(subject.account, subject.cluster)
    scale_out(subject.account, wanted, view, subject.url)
    store_spec(subject.account, case.spec.with_nodes(decision.target), subject.url)


def _count_with(finding: Finding, decision: ScaleOut) -> int:
    """How many machines the cloud lists when the target is reached, those included that leave."""
    return decision.target + sum(1 for machine in finding.snapshot.machines if machine.leaving)


def _not_grown(case: Case, finding: Finding, decision: ScaleOut, why: str) -> Memory:
    """What to remember of an addition that failed: was it the launch, and is something there?"""
    now = datetime.now(UTC)
    there = len(need_sight(case.subject.account, case.subject.cluster).group(case.subject.group))
    memory = finding.memory
    if there > case.size:
        memory = addition_tried(addition_began(memory, finding.snapshot.time), now)
    if there < _count_with(finding, decision):
        return launch_failed(memory, now, decision.instance_type, why, case.policy.back_off)
    return act_failed(memory, why)


def _shrink(case: Case, decision: ScaleIn) -> None:
    """Remove exactly the machine that was chosen."""
    subject, spec = case.subject, case.spec.with_nodes(decision.target)
    view = need_cluster(subject.account, subject.cluster)
    leaving = [machine for machine in view.group(subject.group) if machine.id == decision.machine]
    if not leaving:
        raise NotFound(f"machine {decision.machine} is gone already")
    seconds = case.policy.drain_seconds
    scale_in(subject.account, spec, view, subject.url, subject.group, leaving, HOLDER, seconds)
    store_spec(subject.account, spec, subject.url)
