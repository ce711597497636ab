"""What is remembered of pods that wait: for which ones machines were bought, and which did not
take one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from domain.autoscaling.see.snapshot import Resources, SeenPod

MOST_PURCHASES = 10
MOST_PODS = 50
"""Pods that are remembered for each purchase, and kinds of pods that did not take a machine."""

FORGOTTEN = timedelta(days=7)
"""After its last pod has waited, a kind of pods that did not take a machine is forgotten."""

LONGEST_WHY = 200

_CHANGING = frozenset(
    {
        "apps.kubernetes.io/pod-index",
        "batch.kubernetes.io/controller-uid",
        "batch.kubernetes.io/job-completion-index",
        "batch.kubernetes.io/job-name",
        "controller-revision-hash",
        "controller-uid",
        "job-name",
        "pod-template-generation",
        "pod-template-hash",
        "statefulset.kubernetes.io/pod-name",
    }
)
"""Labels by which controllers tell apart pods that are alike."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """Machines that were bought for pods, until it is known whether these took them.

    Args:
        machines: how many.
        pods: the kind of each, by its title.
        arrived: since when all of the machines are Ready that will ever be.
    """

    at: datetime
    machines: int
    pods: Mapping[str, str]
    arrived: datetime | None = None


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A kind of pods that did not take a machine that was to hold it.

    Args:
        pod: the title of one of them.
        seen: when one of them waited last.
        running: how many of the kind ran in the group at that time.
    """

    pod: str
    why: str
    seen: datetime
    running: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """What nodes of an instance type have shown, for the time when there is none."""

    allocatable: Resources
    places: int


def kind_of(pod: SeenPod) -> str:
    """A text that pods share which the scheduler treats alike, also those of a later run of a Job.

    Another specification is another kind, for which machines are bought again.
    """
    labels = sorted((k, v) for k, v in pod.labels.items() if k not in _CHANGING)
    facts = (pod.namespace, pod.requests, pod.placement, pod.priority, labels)
    return sha256(repr(facts).encode()).hexdigest()[:16]


def sample(pods: Iterable[SeenPod]) -> dict[str, str]:
    """The kinds of so many pods as a memory holds, by title."""
    found: dict[str, str] = {}
    for pod in pods:
        found[pod.title] = kind_of(pod)
        if len(found) == MOST_PODS:
            break
    return found
