"""Which pods a pod may be near: required affinity, anti-affinity, and even spread."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.kubernetes.client.informer import Informer, Obj
from localcloud.kubernetes.controllers.spreading import Limit, limits_of, must_be_spread, unevenness
from localcloud.kubernetes.objects.selectors import LabelTest, label_selector_test

UNMET = "node(s) didn't match pod affinity rules"
TOO_NEAR = "node(s) didn't match pod anti-affinity rules"
UNWELCOME = "node(s) didn't satisfy existing pods anti-affinity rules"

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Term:
    """Pods that are meant, and the label of nodes that says what near is."""

    topology: str
    selects: LabelTest
    namespaces: frozenset[str]
    selects_namespace: LabelTest | None


@dataclass(frozen=True, slots=True)
class Resident:
    """A pod on a node."""

    node: str
    pod: Obj
    apart: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the pods that are there mean for one more; domains are label and value of a node.

    Args:
        topologies: of all that must be shared with one of the right pods.
        together: where those are.
        may_be_first: no such pod is anywhere, and this one is one itself.
        apart: where the pod does not want to be.
        unwelcome: where others do not want it.
        limits: how many pods like it domains may have.
    """

    topologies: tuple[str, ...]
    together: frozenset[tuple[str, str]]
    may_be_first: bool
    apart: frozenset[tuple[str, str]]
    unwelcome: frozenset[tuple[str, str]]
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

    def settle(self, pod: Obj, node: str) -> None:
        """Know that a pod is on a node, with the labels that it has now."""
        uid = pod["metadata"]["uid"]
        resident = Resident(node, pod, tuple(_terms(pod, "podAntiAffinity")))
        self._residents[uid] = resident
        if resident.apart:
            self._reserved[uid] = resident

    def leave(self, uid: str) -> None:
        self._residents.pop(uid, None)
        self._reserved.pop(uid, None)

    def matter(self, pod: Obj) -> bool:
        """Say whether it matters for a pod which others are where."""
        if must_be_spread(pod) or any(_required(pod, kind) for kind in _KINDS):
            return True
        return any(
            self._means(term, pod, one.pod) for one in self._reserved.values() for term in one.apart
        )

    def judge(self, pod: Obj, nodes: Iterable[Mapping[str, Any]]) -> Verdict:
        """Look at all pods that are there.

        Args:
            nodes: all that there are; pods are spread over those too that take none.
        """
        together, apart = (tuple(_terms(pod, kind)) for kind in _KINDS)
        friends = [
            one for one in self._residents.values() if self._mean_all(together, one.pod, pod)
        ]
        return Verdict(
            topologies=tuple(term.topology for term in together),
            together=self._domains(together, friends),
            may_be_first=not friends and self._mean_all(together, pod, pod),
            apart=frozenset(
                domain
                for term in apart
                for one in self._residents.values()
                if self._means(term, one.pod, pod)
                for domain in self._domains([term], [one])
            ),
            unwelcome=frozenset(
                domain
                for one in self._reserved.values()
                for term in one.apart
                if self._means(term, pod, one.pod)
                for domain in self._domains([term], [one])
            ),
            limits=limits_of(pod, nodes, ((one.node, one.pod) for one in self._residents.values())),
        )

    def _domains(
        self, terms: Iterable[Term], residents: Iterable[Resident]
    ) -> frozenset[tuple[str, str]]:
        names = {term.topology for term in terms}
        return frozenset(
            (name, labels[name])
            for labels in (self._labels_of(one.node) for one in residents)
            for name in names & labels.keys()
        )

    def _mean_all(self, terms: Iterable[Term], meant: Obj, asking: Obj) -> bool:
        terms = list(terms)
        return bool(terms) and all(self._means(term, meant, asking) for term in terms)

    def _means(self, term: Term, meant: Obj, asking: Obj) -> bool:
        """Say whether one pod is meant by a term of another."""
        if not term.selects(meant["metadata"].get("labels") or {}):
            return False
        namespace = meant["metadata"]["namespace"]
        if term.selects_namespace is None:
            return namespace in (term.namespaces or {asking["metadata"]["namespace"]})
        found = self._namespaces.objects.get(("", namespace)) or {"metadata": {}}
        return namespace in term.namespaces or term.selects_namespace(
            found["metadata"].get("labels") or {}
        )


_KINDS = ("podAffinity", "podAntiAffinity")


def wants_company(pod: Obj) -> bool:
    """Say whether a pod may have to wait until another one is placed."""
    return must_be_spread(pod) or bool(_required(pod, "podAffinity"))


def _required(pod: Obj, kind: str) -> Sequence[Mapping[str, Any]]:
    affinity = (pod["spec"].get("affinity") or {}).get(kind) or {}
    return affinity.get(REQUIRED) or ()


def _terms(pod: Obj, kind: str) -> Iterator[Term]:
    for term in _required(pod, kind):
        of_namespaces = term.get("namespaceSelector")
        yield Term(
            term["topologyKey"],
            label_selector_test(term.get("labelSelector")),
            frozenset(term.get("namespaces") or ()),
            None if of_namespaces is None else label_selector_test(of_namespaces),
        )
