"""What an evaluation is about, and what a look at it finds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from blocks.accounts import QingCloudAccount
from domain.autoscaling.decide.evaluation import decide
from domain.autoscaling.decision import Decision
from domain.autoscaling.memory.keeping import read_memory
from domain.autoscaling.memory.memory import Memory
from domain.autoscaling.report import Evaluation, evaluation_of
from domain.autoscaling.see.snapshot import Snapshot
from domain.autoscaling.see.state import Marked
from domain.cloud.inventory import Inventory
from domain.kernel.errors import NotFound
from domain.spec.cluster import ClusterSpec, changed
from domain.spec.presets import DEFAULT, PRESETS
from domain.spec.scaling import ScalingPolicy
from flows._replay import read_policy
from tasks.autoscaling import Subject, look, open_subject
from tasks.control_plane import api_url
from tasks.credentials import need_credentials
from tasks.metrics import need_sight
from tasks.overview import stored_spec, with_sources


@dataclass(frozen=True)
class Case:
    """What an evaluation is about, as it was read from the cloud and from the cluster.

    Args:
        asked: the policy that was asked for by name or file; empty for the description's own.
    """

    subject: Subject
    view: Inventory
    spec: ClusterSpec
    policy: ScalingPolicy
    asked: str = ""

    @property
    def size(self) -> int:
        """Machines of the group that the cloud lists."""
        return len(self.view.group(self.subject.group))

    def with_machines(self, count: int, **template: str) -> ClusterSpec:
        """The description with so many machines, even where those that leave exceed its bounds."""
        most = max(count, self.spec.nodes.maximum)
        return changed(
            self.spec, {"nodes": {"count": count, "maximum": most, "template": template}}
        )


@dataclass(frozen=True)
class Finding:
    """A decision, what it rests on, and what to remember of it.

    Args:
        marked: nodes that an evaluator which has ended began to empty.
    """

    snapshot: Snapshot
    decision: Decision
    memory: Memory
    evaluation: Evaluation
    marked: tuple[Marked, ...] = ()

    @property
    def is_unfinished(self) -> bool:
        """Whether an evaluator ended before a change was finished."""
        adding = self.memory.adding
        return bool(self.marked) or bool(adding and adding.is_due(self.snapshot.time))


@contextmanager
def open_case(account: QingCloudAccount, name: str, policy: str = "") -> Iterator[Case]:
    """Read a cluster's machines and its description, and open its API.

    Args:
        policy: a preset or a YAML file; if not given, the description's own.

    Raises:
        NotFound: there is no such cluster, or it does not tell its description: with guessed
            bounds nothing may be removed.
        CredentialsMissing: this Prefect server does not have them.
        InvalidSpec: there is no such policy.
    """
    view = need_sight(account, name)
    need_credentials(account, view)
    stored = stored_spec(account, view)
    if stored is None:
        raise NotFound(f"cluster {name} does not answer, or is not finished yet")
    spec = with_sources(account, stored)
    chosen = read_policy(policy) if policy else spec.scaling or PRESETS[DEFAULT]
    url = api_url(view.public_address, spec.access.api_port)
    with open_subject(account, name, chosen.group, url) as subject:
        yield Case(subject, view, spec, chosen, policy)


def consider(case: Case) -> Finding:
    """Look and decide; changes nothing."""
    cluster = case.subject.api.read_state()
    now = datetime.now(UTC)
    snapshot = look(case.subject, case.view, cluster, case.spec, case.policy, now)
    memory = read_memory(case.subject.api, case.subject.group)
    decision, memory = decide(snapshot, case.policy, memory)
    found = evaluation_of(decision, case.subject.cluster, case.subject.group, now)
    return Finding(snapshot, decision, memory, found, cluster.marked)
