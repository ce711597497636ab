"""How evenly pods are spread over domains, as kube-scheduler's PodTopologySpread counts it."""

from collections import Counter
from collections.abc import Iterable, Iterator

from domain.autoscaling.fit.neighbours import Spot, domain_of
from domain.autoscaling.see.placement import Placement, Spread
from domain.autoscaling.see.snapshot import SeenPod

Asked = tuple[Placement, str]
"""What pods ask for, and their namespace."""


class _Domains:
    """The domains of one spread: their nodes, and the pods on these that count."""

    def __init__(self) -> None:
        self._spots: Counter[str] = Counter()
        self._pods: Counter[str] = Counter()
        self._sizes: Counter[int] = Counter()  # how many domains have so many pods

    def excess(self, domain: str, least_domains: int) -> int:
        """How many more pods a domain has than the one with the fewest."""
        if not self._spots[domain]:
            return 0  # a machine that may be bought brings a domain without pods
        return self._pods[domain] - self.fewest(least_domains)

    def fewest(self, least_domains: int) -> int:
        """The pods of the domain that has the fewest."""
        enough = self._sizes.total() >= least_domains
        return min(self._sizes, default=0) if enough else 0

    def change(self, domain: str, spots: int, pods: int) -> None:
        """Count nodes and pods in, or out where they are negative."""
        if self._spots[domain]:
            self._sizes[self._pods[domain]] -= 1
        self._spots[domain] += spots
        self._pods[domain] += pods
        if self._spots[domain]:
            self._sizes[self._pods[domain]] += 1
        self._sizes = +self._sizes


class Spreading:
    """Counts pods by domain; what one kind of pods asks costs a look at all pods, once."""

    def __init__(self, spots: Iterable[Spot]) -> None:
        self._spots = list(spots)
        self._known: dict[Asked, tuple[_Domains, ...]] = {}

    def allow(self, pod: SeenPod, spot: Spot) -> bool:
        """Whether no domain of the spot would stand out with one more pod."""
        spreads = pod.placement.spread
        if not spreads:
            return True
        for spread, domains in zip(spreads, self._domains_of(pod), strict=True):
            domain = domain_of(spot, spread.topology)
            if domain is None:
                return False
            excess = domains.excess(domain, spread.least_domains)
            if excess + _counts(spread, pod.namespace, pod) > spread.most_skew:
                return False
        return True

    def floors(self, pod: SeenPod) -> tuple[int, ...]:
        """How many pods each domain has at least, for each spread of a pod."""
        spreads = pod.placement.spread
        if not spreads:
            return ()
        known = zip(spreads, self._domains_of(pod), strict=True)
        return tuple(domains.fewest(spread.least_domains) for spread, domains in known)

    def count(self, pod: SeenPod, spot: Spot, change: int) -> None:
        """Count a pod in (1) or out (-1)."""
        for (placement, namespace), known in self._known.items():
            for spread, domains, domain in _domains_at(spot, placement, known):
                if _counts(spread, namespace, pod):
                    domains.change(domain, 0, change)

    def open(self, spot: Spot) -> None:
        """Count a node in, with the pods on it."""
        self._spots.append(spot)
        for asked, known in self._known.items():
            _count_spot(spot, asked, known, 1)

    def close(self, spot: Spot) -> None:
        """Count a node out, with the pods on it."""
        self._spots.remove(spot)
        for asked, known in self._known.items():
            _count_spot(spot, asked, known, -1)

    def _domains_of(self, pod: SeenPod) -> tuple[_Domains, ...]:
        asked = (pod.placement, pod.namespace)
        if asked not in self._known:
            known = tuple(_Domains() for _ in pod.placement.spread)
            for spot in self._spots:
                _count_spot(spot, asked, known, 1)
            self._known[asked] = known
        return self._known[asked]


def _count_spot(spot: Spot, asked: Asked, known: tuple[_Domains, ...], change: int) -> None:
    placement, namespace = asked
    for spread, domains, domain in _domains_at(spot, placement, known):
        pods = sum(_counts(spread, namespace, pod) for pod in spot.residents)
        domains.change(domain, change, change * pods)


def _domains_at(
    spot: Spot, placement: Placement, known: tuple[_Domains, ...]
) -> Iterator[tuple[Spread, _Domains, str]]:
    """The domains that a node is in; it is in none if one of the labels is missing."""
    names = [domain_of(spot, spread.topology) for spread in placement.spread]
    if None in names:
        return
    for spread, domains, name in zip(placement.spread, known, names, strict=True):
        if spread.honors_labels and not placement.accepts_labels(spot.labels):
            continue
        if spread.honors_taints and not placement.tolerates(spot.taints):
            continue
        yield spread, domains, name or ""


def _counts(spread: Spread, namespace: str, pod: SeenPod) -> bool:
    if not spread.selector or pod.namespace != namespace or pod.leaving:
        return False
    return all(requirement.holds(pod.labels) for requirement in spread.selector)
