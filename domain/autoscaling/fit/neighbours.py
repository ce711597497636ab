"""Required affinity and anti-affinity between pods, counted by topology domain."""

from collections import Counter
from collections.abc import Iterable

from domain.autoscaling.fit.place import Place
from domain.autoscaling.see.placement import PodTerm
from domain.autoscaling.see.snapshot import SeenPod

ScopedTerm = tuple[PodTerm, str]
"""A term, and the namespace of the pod that requires it."""


class Neighbours:
    """Counts pods by term and domain; a new term takes one pass over all pods."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._places = list(places)
        self._matching: dict[ScopedTerm, Counter[str]] = {}
        self._keeping_apart: dict[ScopedTerm, Counter[str]] = {}
        for place in self._places:
            for pod in place.residents:
                if pod.placement.apart:
                    self._count_own(pod, place, 1)

    def concern(self, pod: SeenPod) -> bool:
        """Whether other pods decide where this one can run."""
        return pod.placement.depends_on_pods or any(
            _matches(scoped, pod) for scoped, domains in self._keeping_apart.items() if domains
        )

    def allow(self, pod: SeenPod, place: Place) -> bool:
        """Whether a pod may join those in the place's domains."""
        return (
            all(self._is_met(pod, term, place) for term in pod.placement.together)
            and all(self._is_kept(pod, term, place) for term in pod.placement.apart)
            and not any(
                domains[place.domain(scoped[0].topology) or ""] and _matches(scoped, pod)
                for scoped, domains in self._keeping_apart.items()
            )
        )

    def open(self, place: Place) -> None:
        """Add a place with its pods."""
        self._places.append(place)
        for pod in place.residents:
            self.count(pod, place, 1)

    def count(self, pod: SeenPod, place: Place, change: int) -> None:
        """Count a pod in (1) or out (-1)."""
        for scoped, domains in self._matching.items():
            domain = place.domain(scoped[0].topology)
            if domain is not None and _matches(scoped, pod):
                domains[domain] += change
        if pod.placement.apart:
            self._count_own(pod, place, change)

    def _count_own(self, pod: SeenPod, place: Place, change: int) -> None:
        for term in pod.placement.apart:
            domain = place.domain(term.topology)
            if domain is not None:
                self._keeping_apart.setdefault((term, pod.namespace), Counter())[domain] += change

    def _is_met(self, pod: SeenPod, term: PodTerm, place: Place) -> bool:
        domain = place.domain(term.topology)
        if domain is None:
            return False
        domains = self._domains((term, pod.namespace))
        # The first pod of a set that requires itself may start in any domain.
        return domains[domain] > 0 or (
            not any(domains.values()) and _matches((term, pod.namespace), pod)
        )

    def _is_kept(self, pod: SeenPod, term: PodTerm, place: Place) -> bool:
        domain = place.domain(term.topology)
        return domain is None or not self._domains((term, pod.namespace))[domain]

    def _domains(self, scoped: ScopedTerm) -> Counter[str]:
        if scoped not in self._matching:
            domains: Counter[str] = Counter()
            for place in self._places:
                domain = place.domain(scoped[0].topology)
                if domain is not None:
                    domains[domain] += sum(1 for pod in place.residents if _matches(scoped, pod))
            self._matching[scoped] = domains
        return self._matching[scoped]


def _matches(scoped: ScopedTerm, pod: SeenPod) -> bool:
    term, namespace = scoped
    if term.selector is None or not term.means(pod.namespace, namespace):
        return False
    return all(requirement.holds(pod.labels) for requirement in term.selector)
