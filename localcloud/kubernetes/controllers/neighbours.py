"""Which pods a pod may be near: required affinity, anti-affinity, and even spread."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.kubernetes.client.informer import Informer, Obj
from localcloud.kubernetes.controllers.spreading import Limit, limits_of, must_be_spread, unevenness
from localcloud.kubernetes.objects.pods import REQUIRED
from localcloud.kubernetes.objects.selectors import LabelTest, label_selector_test

UNMET = "node(s) didn't match pod affinity rules"
TOO_NEAR = "node(s) didn't match pod anti-affinity rules"
UNWELCOME = "node(s) didn't satisfy existing pods anti-affinity rules"

Labels = Mapping[str, str]
Domain = tuple[str, str]
"""A label of nodes and its value: the nodes that have it are near each other."""

_KINDS = ("podAffinity", "podAntiAffinity")


@dataclass(frozen=True, slots=True)
class Term:
    """Pods that are meant, and the label of nodes that says what near is.

    Their namespace is one of those that are named, or its own labels are selected.
    """

    topology: str
    selects: LabelTest
    namespaces: frozenset[str]
    selects_namespace: LabelTest


@dataclass(frozen=True, slots=True)
class Resident:
    """A pod on a node."""

    node: str
    pod: Obj
    apart: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the pods that are there mean for one more.

    Args:
        topologies: of all that must be shared with one of the right pods.
        together: where those are.
        may_be_first: none is in any such domain, and this pod is itself one of them.
        apart: where the pod does not want to be.
        unwelcome: where others do not want it.
        limits: how many pods like it domains may have.
    """

    topologies: tuple[str, ...]
    together: frozenset[Domain]
    may_be_first: bool
    apart: frozenset[Domain]
    unwelcome: frozenset[Domain]
    limits: tuple[Limit, ...]

    def objection(self, labels: Labels) -> str | None:
        """Say why the pod may not run on a node with these labels; None when it may."""
        if uneven := unevenness(self.limits, labels):
            return uneven
        domains = labels.items()
        if not all(topology in labels for topology in self.topologies):
            return UNMET
        shared = all((name, labels[name]) in self.together for name in self.topologies)
        if not shared and not self.may_be_first:
            return UNMET
        if not self.apart.isdisjoint(domains):
            return TOO_NEAR
        return None if self.unwelcome.isdisjoint(domains) else UNWELCOME


class Neighbours:
    """Who is where.

    Args:
        namespaces: some terms choose them by label.
        labels_of: the labels of a node by its name.
    """

    def __init__(self, namespaces: Informer, labels_of: Callable[[str], Labels]) -> None:
        self._namespaces = namespaces
        self._labels_of = labels_of
        self._residents: dict[str, Resident] = {}
        self._reserved: dict[str, Resident] = {}  # those of them that keep others away

    def settle(self, pod: Obj, node: str) -> bool:
        """Know that a pod is on a node, with the labels that it has now; says whether it is new."""
        uid = pod["metadata"]["uid"]
        before = self._residents.get(uid)
        # What a pod asks for never changes, and its status changes often.
        apart = before.apart if before else tuple(_terms(pod, "podAntiAffinity"))
        self._residents[uid] = resident = Resident(node, pod, apart)
        if apart:
            self._reserved[uid] = resident
        return before is None

    def leave(self, uid: str) -> None:
        self._residents.pop(uid, None)
        self._reserved.pop(uid, None)

    def matter(self, pod: Obj) -> bool:
        """Say whether it matters for a pod which others are where."""
        if must_be_spread(pod) or any(_required(pod, kind) for kind in _KINDS):
            return True
        return any(self._means(term, pod) for one in self._reserved.values() for term in one.apart)

    def judge(self, pod: Obj, nodes: Iterable[Mapping[str, Any]]) -> Verdict:
        """Look at all pods that are there.

        Args:
            nodes: all that there are; pods are spread over those too that take none.
        """
        together, apart = (tuple(_terms(pod, kind)) for kind in _KINDS)
        everybody, reserved = self._residents.values(), self._reserved.values()
        friends = [one for one in everybody if self._mean(together, one.pod)]
        near = self._domains((term, one) for term in together for one in friends)
        return Verdict(
            topologies=tuple(term.topology for term in together),
            together=near,
            may_be_first=not near and self._mean(together, pod),
            apart=self._domains(
                (term, one) for term in apart for one in everybody if self._means(term, one.pod)
            ),
            unwelcome=self._domains(
                (term, one) for one in reserved for term in one.apart if self._means(term, pod)
            ),
            limits=limits_of(pod, nodes, ((one.node, one.pod) for one in everybody)),
        )

    def _domains(self, found: Iterable[tuple[Term, Resident]]) -> frozenset[Domain]:
        """Where residents are, in the sense of a term; nowhere on a node without its label."""
        return frozenset(
            (term.topology, labels[term.topology])
            for term, one in found
            if term.topology in (labels := self._labels_of(one.node))
        )

    def _mean(self, terms: Collection[Term], pod: Obj) -> bool:
        """Say whether a pod is meant by all terms, of which there are some."""
        return bool(terms) and all(self._means(term, pod) for term in terms)

    def _means(self, term: Term, pod: Obj) -> bool:
        if not term.selects(pod["metadata"].get("labels") or {}):
            return False
        namespace = pod["metadata"]["namespace"]
        if namespace in term.namespaces:
            return True
        found = self._namespaces.objects.get(("", namespace)) or {"metadata": {}}
        return term.selects_namespace(found["metadata"].get("labels") or {})


def wants_company(pod: Obj) -> bool:
    """Say whether a pod may have to wait until another one is placed."""
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
