"""One evaluation of a group: look, decide, remember, and carry the decision out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.accounts import QingCloudAccount
from domain.autoscaling.decision import Decision, Hold, ScaleIn, ScaleOut
from domain.autoscaling.evaluation import decide
from domain.autoscaling.keeping import keep_memory, read_memory
from domain.autoscaling.memory import Memory, launch_failed, launch_succeeded, removal_failed
from domain.autoscaling.policy import ScalingPolicy
from domain.autoscaling.presets import DEFAULT, PRESETS
from domain.autoscaling.report import Evaluation, evaluation_of
from domain.autoscaling.sight import ClusterSight
from domain.autoscaling.snapshot import Snapshot
from domain.errors import ClusterError, NotFound
from domain.spec import ClusterSpec, changed
from domain.view import ClusterView
from flows._replay import read_policy
from flows._scaling import scale_in, scale_out
from tasks.autoscaling import (
    HOLDER,
    Subject,
    keep_counts,
    left_behind,
    look,
    open_subject,
    publish_evaluation,
    tell,
)
from tasks.control_plane import api_url, store_spec
from tasks.metrics import need_sight
from tasks.overview import need_cluster, stored_spec, with_sources
from tasks.scaling import forget_node, give_back


@dataclass(frozen=True)
class Case:
    """What an evaluation is about, as it was read from the cloud and from the cluster."""

    subject: Subject
    view: ClusterView
    spec: ClusterSpec
    policy: ScalingPolicy


@dataclass(frozen=True)
class Finding:
    """A decision, what it rests on, and what to remember of it."""

    snapshot: Snapshot
    decision: Decision
    memory: Memory
    evaluation: Evaluation


@contextmanager
def open_case(account: QingCloudAccount, name: str, policy: str = "") -> Iterator[Case]:
    """Read a cluster's machines and its description, and open its API.

    Args:
        policy: a preset or a YAML file; if not given, the description's own.

    Raises:
        NotFound: there is no such cluster, or it does not tell its description: with guessed
            bounds nothing may be removed.
        InvalidSpec: there is no such policy.
    """
    view = need_sight(account, name)
    stored = stored_spec(account, view)
    if stored is None:
        raise NotFound(f"cluster {name} does not answer, or is not finished yet")
    spec = with_sources(account, stored)
    chosen = read_policy(policy) if policy else spec.scaling or PRESETS[DEFAULT]
    url = api_url(view.public_address, spec.access.api_port)
    with open_subject(account, name, chosen.group, url) as subject:
        yield Case(subject, view, spec, chosen)


def consider(case: Case, cluster: ClusterSight | None = None) -> Finding:
    """Look and decide; changes nothing."""
    cluster = cluster or case.subject.api.read_sight()
    now = datetime.now(UTC)
    snapshot = look(case.subject, case.view, cluster, case.spec, case.policy, now)
    memory = read_memory(case.subject.api, case.subject.group)
    decision, memory = decide(snapshot, case.policy, memory)
    found = evaluation_of(decision, case.subject.cluster, case.subject.group, now)
    return Finding(snapshot, decision, memory, found)


def evaluate(case: Case) -> Evaluation:
    """Look, decide, remember and act. Nobody else may do so at the same time.

    Raises:
        ClusterError: the change was begun and not finished; Event, artifact and memory say so.
    """
    cluster = case.subject.api.read_sight()
    finding = consider(case, None if _tidy_up(case, cluster) else cluster)
    keep_memory(case.subject.api, case.subject.group, finding.memory)
    evaluation = _act(case, finding)
    keep_counts(case.subject.cluster, case.policy, finding.snapshot)
    return evaluation


def _act(case: Case, finding: Finding) -> Evaluation:
    match finding.decision:
        case ScaleOut() as out:
            return _carry_out(case, finding, "ScalingOut", lambda: _grow(case, finding, out))
        case ScaleIn() as removal:
            return _carry_out(case, finding, "ScalingIn", lambda: _shrink(case, finding, removal))
        case Hold():
            return finding.evaluation


def _tidy_up(case: Case, cluster: ClusterSight) -> bool:
    """Finish, or take back, the removals that an evaluator has left behind; whether there were."""
    subject, found = case.subject, False
    for mark, machine in left_behind(cluster, case.view.group(subject.group), subject.group):
        found = True
        if machine is None:
            forget_node(subject.account, subject.cluster, subject.url, mark.node)
        else:
            give_back(subject.account, subject.cluster, subject.url, subject.group, machine)
    return found


def _carry_out(case: Case, finding: Finding, event: str, act: Callable[[], None]) -> Evaluation:
    """Act, and tell before and after; a failure is told and goes on to the caller."""
    subject, evaluation = case.subject, finding.evaluation
    tell(subject, evaluation, event, evaluation.sentence)
    try:
        act()
    except BaseException as error:
        failed = evaluation.failed(str(error) or type(error).__name__)
        tell(subject, failed, f"{event}Failed", f"{evaluation.sentence}; {failed.failure}")
        publish_evaluation(failed)
        raise
    tell(subject, evaluation, event.replace("Scaling", "Scaled"), evaluation.sentence)
    publish_evaluation(evaluation.done())
    return evaluation.done()


def _grow(case: Case, finding: Finding, decision: ScaleOut) -> None:
    """Add machines; the type that could not be started is remembered, and waits."""
    subject, group = case.subject, case.subject.group
    leaving = sum(1 for machine in finding.snapshot.machines if machine.leaving)
    count = decision.target + leaving
    template = {"instance_type": decision.instance_type}
    most = max(count, case.spec.nodes.maximum)
    nodes = {"count": count, "maximum": most, "template": template}
    wanted = changed(case.spec, {"nodes": nodes})
    memory = finding.memory
    try:
        scale_out(
            subject.account, wanted, need_cluster(subject.account, subject.cluster), subject.url
        )
    except ClusterError as error:
        there = need_sight(subject.account, subject.cluster).group(group)
        if len(there) < count:
            back_off, kind = case.policy.back_off, decision.instance_type
            now = datetime.now(UTC)
            keep_memory(subject.api, group, launch_failed(memory, now, kind, str(error), back_off))
        raise
    if decision.instance_type in memory.troubles:
        keep_memory(subject.api, group, launch_succeeded(memory, decision.instance_type))
    store_spec(subject.account, case.spec.with_nodes(decision.target), subject.url)


def _shrink(case: Case, finding: Finding, decision: ScaleIn) -> None:
    """Remove exactly the machine that was chosen; one that cannot go has its turn later again."""
    subject, spec = case.subject, case.spec.with_nodes(decision.target)
    view = need_cluster(subject.account, subject.cluster)
    leaving = [machine for machine in view.group(subject.group) if machine.id == decision.machine]
    if not leaving:
        raise NotFound(f"machine {decision.machine} is gone already")
    seconds = case.policy.drain_seconds
    try:
        scale_in(subject.account, spec, view, subject.url, subject.group, leaving, HOLDER, seconds)
    except ClusterError:
        memory = removal_failed(finding.memory, datetime.now(UTC), decision.node)
        keep_memory(subject.api, subject.group, memory)
        raise
    store_spec(subject.account, spec, subject.url)
