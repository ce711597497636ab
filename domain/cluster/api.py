"""What the house asks of a cluster's Kubernetes API, as records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

SYSTEM = "kube-system"
"""The namespace of what belongs to the cluster itself."""

Manifest = Mapping[str, Any]
"""One Kubernetes object as its JSON says it: the one dict that crosses rooms, being a document."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the API server sees it; `address` is its InternalIP."""

    name: str
    address: str
    ready: bool
    schedulable: bool
    pods_allocatable: int
    version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as far as counting and draining need it; `owner` is the kind that controls it."""

    namespace: str
    name: str
    uid: str
    node: str
    phase: str
    ready: bool
    owner: str
    is_mirror: bool
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_workload(self) -> bool:
        """Whether it takes one of the places for what users run."""
        return not self.is_mirror and self.owner != "DaemonSet"

    @property
    def is_finished(self) -> bool:
        return self.phase in ("Succeeded", "Failed")


class ClusterApi(Protocol):
    """One cluster's API server.

    Errors: `TemporaryError` when it does not answer or says 429 or 5xx, `NotFound` for 404,
    `ApiRejected` for the rest.
    """

    def is_ready(self) -> bool:
        """Whether `/readyz` says ok; False also while nothing answers."""
        ...

    def read_version(self) -> str: ...
    def list_nodes(self) -> Sequence[Node]: ...
    def read_node(self, name: str) -> Node | None: ...
    def list_pods(
        self, *, node: str = "", namespace: str = "", selector: str = ""
    ) -> Sequence[Pod]: ...

    def count_workload_pods(self) -> Mapping[str, int]:
        """Workload pods that are not finished, by node name, `""` for those without a node."""
        ...

    def read(self, manifest_kind: str, name: str, namespace: str = "") -> Manifest | None:
        """Read one object by kind, such as `ConfigMap`; None when it is absent."""
        ...

    def apply(self, manifest: Manifest) -> bool:
        """Create the object, or patch it to what the manifest says; whether anything changed."""
        ...

    def create(self, manifest: Manifest) -> bool:
        """Create the object; False when one of its name is there already."""
        ...

    def replace(self, manifest: Manifest) -> bool:
        """Replace the object that was read; False when somebody changed it in between."""
        ...

    def delete(self, manifest_kind: str, name: str, namespace: str = "") -> bool:
        """Delete one object; False when it was absent already."""
        ...

    def set_schedulable(self, node: str, schedulable: bool) -> None: ...
    def label_node(self, node: str, labels: Mapping[str, str]) -> None: ...
    def annotate_node(self, node: str, annotations: Mapping[str, str | None]) -> None:
        """Put annotations on a node; None takes one away."""
        ...

    def evict(self, pod: Pod) -> bool:
        """Ask for the eviction of exactly this pod; False while a disruption budget forbids it."""
        ...

    def fetch_service_page(self, namespace: str, service: str) -> str:
        """GET through the apiserver's service proxy, and return the text."""
        ...

    def create_token(self, namespace: str, account: str, seconds: int) -> str: ...
