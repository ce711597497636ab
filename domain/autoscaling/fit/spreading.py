"""Topology spread constraints, counted as kube-scheduler's PodTopologySpread does."""

from collections import Counter
from collections.abc import Iterable, Iterator

from domain.autoscaling.fit.place import Place
from domain.autoscaling.see.placement import Placement, Spread
from domain.autoscaling.see.snapshot import SeenPod

ScopedPlacement = tuple[Placement, str]
"""The placement of pods, and their namespace."""


class _Domains:
    """The domains of one spread constraint: their nodes, and the matching pods on these."""

    def __init__(self) -> None:
        self._places: Counter[str] = Counter()
        self._pods: Counter[str] = Counter()
        self._sizes: Counter[int] = Counter()  # number of domains by number of pods

    def excess(self, domain: str, least_domains: int) -> int:
        """The pods of a domain minus those of the domain with the fewest."""
        if not self._places[domain]:
            return 0  # a new machine may bring a new domain, without pods
        return self._pods[domain] - self.fewest(least_domains)

    def fewest(self, least_domains: int) -> int:
        """The smallest number of pods in a domain."""
        enough = self._sizes.total() >= least_domains
        return min(self._sizes, default=0) if enough else 0

    def change(self, domain: str, places: int, pods: int) -> None:
        """Add nodes and pods; negative numbers remove them."""
        if self._places[domain]:
            self._sizes[self._pods[domain]] -= 1
        self._places[domain] += places
        self._pods[domain] += pods
        if self._places[domain]:
            self._sizes[self._pods[domain]] += 1
        self._sizes = +self._sizes


class Spreading:
    """Counts pods by domain; a new placement takes one pass over all pods."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._places = list(places)
        self._known: dict[ScopedPlacement, tuple[_Domains, ...]] = {}

    def allow(self, pod: SeenPod, place: Place) -> bool:
        """Whether one more pod on the place keeps every constraint of the pod."""
        spreads = pod.placement.spread
        if not spreads:
            return True
        for spread, domains in zip(spreads, self._domains_of(pod), strict=True):
            domain = place.domain(spread.topology)
            if domain is None:
                return False
            excess = domains.excess(domain, spread.least_domains)
            if excess + _counts(spread, pod.namespace, pod) > spread.most_skew:
                return False
        return True

    def floors(self, pod: SeenPod) -> tuple[int, ...]:
        """By spread constraint of a pod, the smallest number of pods in a domain."""
        spreads = pod.placement.spread
        if not spreads:
            return ()
        known = zip(spreads, self._domains_of(pod), strict=True)
        return tuple(domains.fewest(spread.least_domains) for spread, domains in known)

    def count(self, pod: SeenPod, place: Place, change: int) -> None:
        """Count a pod in (1) or out (-1)."""
        for (placement, namespace), known in self._known.items():
            for spread, domains, domain in _domains_at(place, placement, known):
                if _counts(spread, namespace, pod):
                    domains.change(domain, 0, change)

    def open(self, place: Place) -> None:
        """Add a node with its pods."""
        self._places.append(place)
        for scoped, known in self._known.items():
            _count_place(place, scoped, known, 1)

    def close(self, place: Place) -> None:
        """Remove a node with its pods."""
        self._places.remove(place)
        for scoped, known in self._known.items():
            _count_place(place, scoped, known, -1)

    def _domains_of(self, pod: SeenPod) -> tuple[_Domains, ...]:
        scoped = (pod.placement, pod.namespace)
        if scoped not in self._known:
            known = tuple(_Domains() for _ in pod.placement.spread)
            for place in self._places:
                _count_place(place, scoped, known, 1)
            self._known[scoped] = known
        return self._known[scoped]


def _count_place(
    place: Place, scoped: ScopedPlacement, known: tuple[_Domains, ...], change: int
) -> None:
    placement, namespace = scoped
    for spread, domains, domain in _domains_at(place, placement, known):
        pods = sum(_counts(spread, namespace, pod) for pod in place.residents)
        domains.change(domain, change, change * pods)


def _domains_at(
    place: Place, placement: Placement, known: tuple[_Domains, ...]
) -> Iterator[tuple[Spread, _Domains, str]]:
    """Yield the domains of a node; none if one of the topology labels is missing."""
    names = [place.domain(spread.topology) for spread in placement.spread]
    if None in names:
        return
    for spread, domains, name in zip(placement.spread, known, names, strict=True):
        if spread.honors_labels and not placement.accepts_labels(place.labels):
            continue
        if spread.honors_taints and not placement.tolerates(place.taints):
            continue
        yield spread, domains, name or ""


def _counts(spread: Spread, namespace: str, pod: SeenPod) -> bool:
    if not spread.selector or pod.namespace != namespace or pod.leaving:
        return False
    return all(requirement.holds(pod.labels) for requirement in spread.selector)
