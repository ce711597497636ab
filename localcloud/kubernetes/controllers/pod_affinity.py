"""Placement relative to other pods: required affinity, anti-affinity, and spread."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.kubernetes.client.informer import Informer, Obj
from localcloud.kubernetes.controllers.spreading import Limit, limits_of, must_be_spread, unevenness
from localcloud.kubernetes.objects.pods import REQUIRED
from localcloud.kubernetes.objects.selectors import LabelTest, label_selector_test

UNMET = "node(s) didn't match pod affinity rules"
ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"

Labels = Mapping[str, str]
Domain = tuple[str, str]
"""A topology domain: a label of nodes and its value."""

_KINDS = ("podAffinity", "podAntiAffinity")


@dataclass(frozen=True, slots=True)
class Term:
    """One affinity term: a pod selector and a topology key.

    The namespace of the pods is a named one, or matches a selector.
    """

    topology: str
    selects: LabelTest
    namespaces: frozenset[str]
    selects_namespace: LabelTest


@dataclass(frozen=True, slots=True)
class PlacedPod:
    """A pod on a node."""

    node: str
    pod: Obj
    apart: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The constraints of placed pods on one more pod.

    Args:
        topologies: the topology keys of its affinity terms.
        together: the domains with pods that these terms select.
        may_be_first: no pod is selected yet, and the terms select this pod itself.
        apart: the domains excluded by its own anti-affinity.
        rejected: the domains excluded by the anti-affinity of placed pods.
        limits: its topology spread constraints.
    """

    topologies: tuple[str, ...]
    together: frozenset[Domain]
    may_be_first: bool
    apart: frozenset[Domain]
    rejected: frozenset[Domain]
    limits: tuple[Limit, ...]

    def objection(self, labels: Labels) -> str | None:
        """Return why the pod may not run on a node with these labels, or None when it may."""
        if uneven := unevenness(self.limits, labels):
            return uneven
        domains = labels.items()
        if not all(topology in labels for topology in self.topologies):
            return UNMET
        shared = all((name, labels[name]) in self.together for name in self.topologies)
        if not shared and not self.may_be_first:
            return UNMET
        if not self.apart.isdisjoint(domains):
            return ANTI_AFFINITY
        return None if self.rejected.isdisjoint(domains) else EXISTING_ANTI_AFFINITY


class PodAffinity:
    """The placed pods by node, for affinity terms.

    Args:
        namespaces: for terms with a namespace selector.
        labels_of: the labels of a node by its name.
    """

    def __init__(self, namespaces: Informer, labels_of: Callable[[str], Labels]) -> None:
        self._namespaces = namespaces
        self._labels_of = labels_of
        self._placed: dict[str, PlacedPod] = {}
        self._reserved: dict[str, PlacedPod] = {}  # those with anti-affinity terms

    def add(self, pod: Obj, node: str) -> bool:
        """Add or update a pod on a node, and return whether it is new."""
        uid = pod["metadata"]["uid"]
        before = self._placed.get(uid)
        # The terms of a pod never change, and its status changes often.
        apart = before.apart if before else tuple(_terms(pod, "podAntiAffinity"))
        self._placed[uid] = placed_pod = PlacedPod(node, pod, apart)
        if apart:
            self._reserved[uid] = placed_pod
        return before is None

    def pod(self, uid: str) -> Obj | None:
        """Return a placed pod."""
        found = self._placed.get(uid)
        return found.pod if found else None

    def remove(self, uid: str) -> None:
        self._placed.pop(uid, None)
        self._reserved.pop(uid, None)

    def concerns(self, pod: Obj) -> bool:
        """Return whether placed pods constrain a pod."""
        if must_be_spread(pod) or any(_required(pod, kind) for kind in _KINDS):
            return True
        return any(
            self._selects(term, pod) for one in self._reserved.values() for term in one.apart
        )

    def evaluate(self, pod: Obj, nodes: Iterable[Mapping[str, Any]]) -> Verdict:
        """Return the constraints of all placed pods on a pod.

        Args:
            nodes: all nodes, because infeasible ones count for the spread, too.
        """
        together, apart = (tuple(_terms(pod, kind)) for kind in _KINDS)
        placed, reserved = self._placed.values(), self._reserved.values()
        matching = [one for one in placed if self._all_select(together, one.pod)]
        near = self._domains((term, one) for term in together for one in matching)
        return Verdict(
            topologies=tuple(term.topology for term in together),
            together=near,
            may_be_first=not near and self._all_select(together, pod),
            apart=self._domains(
                (term, one) for term in apart for one in placed if self._selects(term, one.pod)
            ),
            rejected=self._domains(
                (term, one) for one in reserved for term in one.apart if self._selects(term, pod)
            ),
            limits=limits_of(pod, nodes, ((one.node, one.pod) for one in placed)),
        )

    def _domains(self, found: Iterable[tuple[Term, PlacedPod]]) -> frozenset[Domain]:
        """Return the domains of placed pods by their terms; none on a node without the label."""
        return frozenset(
            (term.topology, labels[term.topology])
            for term, one in found
            if term.topology in (labels := self._labels_of(one.node))
        )

    def _all_select(self, terms: Collection[Term], pod: Obj) -> bool:
        """Return whether all terms select a pod; False without terms."""
        return bool(terms) and all(self._selects(term, pod) for term in terms)

    def _selects(self, term: Term, pod: Obj) -> bool:
        if not term.selects(pod["metadata"].get("labels") or {}):
            return False
        namespace = pod["metadata"]["namespace"]
        if namespace in term.namespaces:
            return True
        found = self._namespaces.objects.get(("", namespace)) or {"metadata": {}}
        return term.selects_namespace(found["metadata"].get("labels") or {})


def has_pod_affinity(pod: Obj) -> bool:
    """Return whether a pod may have to wait for the placement of another."""
    return must_be_spread(pod) or bool(_required(pod, "podAffinity"))


def _required(pod: Obj, kind: str) -> Sequence[Mapping[str, Any]]:
    affinity = (pod["spec"].get("affinity") or {}).get(kind) or {}
    return affinity.get(REQUIRED) or ()


def _terms(pod: Obj, kind: str) -> Iterator[Term]:
    own = pod["metadata"]["namespace"]
    for term in _required(pod, kind):
        named, selected = term.get("namespaces"), term.get("namespaceSelector")
        yield Term(
            term["topologyKey"],
            label_selector_test(term.get("labelSelector")),
            frozenset(named or ([own] if selected is None else ())),
            label_selector_test(selected),
        )
