"""What an evaluator that has ended left unfinished: the next one takes it over first."""

from datetime import UTC, datetime, timedelta

from domain.autoscaling.memory.keeping import keep_memory, read_memory
from domain.autoscaling.memory.remembering import addition_ended, addition_tried
from domain.kernel.errors import ClusterError
from flows._cases import Case, Finding
from flows._scaling import scale_out
from tasks.autoscaling import left_behind, tell
from tasks.control_plane import store_spec
from tasks.overview import need_cluster
from tasks.scaling import forget_node, give_back


def take_over(case: Case, finding: Finding) -> None:
    """Take back removals that nobody goes on with, and finish the addition.

    Only for whoever holds the Lease.
    """
    subject = case.subject
    for mark, machine in left_behind(finding.marked, case.view.group(subject.group), subject.group):
        words = f"{mark.node} was left by {mark.holder} in the middle of its removal"
        tell(subject, "RemovalTakenOver", words)
        if machine is None:
            forget_node(subject.account, subject.cluster, subject.url, mark.node)
        else:
            give_back(subject.account, subject.cluster, subject.url, subject.group, machine)
    if finding.memory.adding:
        _finish_addition(case, finding.memory.adding.began)


def _finish_addition(case: Case, began: datetime) -> None:
    """Let the machines that are there become nodes; none is bought.

    Tried again each minute, for as long as a machine may take to boot.
    """
    subject, now = case.subject, datetime.now(UTC)
    memory = read_memory(subject.api, subject.group)
    if now - began < timedelta(seconds=case.policy.boot_seconds):
        words = (
            f"an addition that began at {began:%H:%M:%S %Z} is finished, without buying any more"
        )
        tell(subject, "AdditionTakenOver", words)
        view = need_cluster(subject.account, subject.cluster)
        try:
            scale_out(subject.account, case.with_machines(case.size), view, subject.url)
            store_spec(subject.account, case.spec.with_nodes(case.size), subject.url)
        except ClusterError as error:
            tell(subject, "AdditionTakenOverFailed", str(error))
            keep_memory(subject.api, subject.group, addition_tried(memory, now))
            return
    keep_memory(subject.api, subject.group, addition_ended(memory))
