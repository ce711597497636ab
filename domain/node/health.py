"""The health of a cluster between two steps of a change that replaces or restarts its machines."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from domain.cluster.api import ClusterApi, Node, Pod
from domain.kernel.ensured import Ensured
from domain.kernel.errors import FinalError, WaitTimedOut
from domain.kernel.texts import first_of
from domain.kernel.waiting import Clock, Pace, wait_for

HEALTH_DEADLINE = 300.0
"""Seconds for moved pods to be ready again: images are pulled, applications start."""


@dataclass(frozen=True, slots=True)
class Health:
    """What is not well: nodes that are not Ready, and pods that are not ready."""

    nodes: frozenset[str]
    pods: tuple[str, ...]

    def complaints(self, before: "Health") -> str:
        """Describe what is worse than before; empty if nothing is.

        Pods that moved have new names, so that their number is compared.
        """
        found = []
        if down := sorted(self.nodes - before.nodes):
            found.append(f"not Ready: {first_of(down)}")
        if len(self.pods) > len(before.pods):
            new = [name for name in self.pods if name not in before.pods]
            found.append(f"{len(self.pods)} pods are not ready, {len(before.pods)} before: ")
            found[-1] += first_of(new)
        return "; ".join(found)


def find_health(nodes: Sequence[Node], pods: Sequence[Pod]) -> Health:
    down = frozenset(node.name for node in nodes if not node.ready)
    waiting = (pod for pod in pods if not (pod.ready or pod.is_finished))
    return Health(down, tuple(sorted(f"{pod.namespace}/{pod.name}" for pod in waiting)))


def read_health(api: ClusterApi) -> Health:
    return find_health(api.list_nodes(), api.list_pods())


def wait_until_well(
    api: ClusterApi,
    before: Health,
    what: str,
    leaving: Collection[str] = (),
    deadline: float = HEALTH_DEADLINE,
    clock: Clock = time,
) -> Ensured[None]:
    """Wait until nothing is worse than before.

    Args:
        what: the step that was done, for the error's sentence.
        leaving: nodes that may be down.

    Raises:
        FinalError: something still is; the change must not go on.
    """
    worse = "the cluster does not answer"

    def well() -> str | None:
        nonlocal worse
        worse = "the cluster does not answer"
        now = read_health(api)
        now = Health(now.nodes.difference(leaving), now.pods)
        worse = now.complaints(before)
        return None if worse else "nothing is worse than before"

    pace = Pace(timeout=deadline, interval=0.5, longest=5.0)
    try:
        return Ensured(None, wait_for(well, what="health", pace=pace, clock=clock))
    except WaitTimedOut as error:
        raise FinalError(
            f"stopped after {what}, because {deadline:g} s later {worse}. "
            "Nothing else is touched: mend that, and run the same command again to go on"
        ) from error
