"""The calls of a cluster's Kubernetes API that the product makes, and their records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from domain.cluster.versions import RequestedApi

SYSTEM = "kube-system"
"""The namespace of the cluster's own objects."""

Manifest = Mapping[str, Any]
"""One Kubernetes object as JSON: the only dict that crosses rooms, because it is a document."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the API server reports it; `address` is its InternalIP.

    `ready` is False also where heartbeats are missing; `unready_seconds` is for how long the node
    has not been Ready, by the cluster's clock, and 0 for a Ready one. `taints` are texts such as
    `gpu=true:NoSchedule`.
    """

    name: str
    address: str
    ready: bool
    schedulable: bool
    pods_allocatable: int
    version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    unready_seconds: float = 0.0
    taints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pod:
    """The fields of a pod that counting and draining need; `owner` is the controller's kind."""

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
        """Whether it occupies one of the places for workload pods."""
        return not self.is_mirror and self.owner != "DaemonSet"

    @property
    def is_finished(self) -> bool:
        return self.phase in ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment or a DaemonSet with its replicas."""

    kind: str
    name: str
    wanted: int
    ready: int


class ClusterApi(Protocol):
    """One cluster's API server.

    Errors: `TemporaryError` when it does not answer or returns 429 or 5xx, `NotFound` for 404,
    `ApiRejected` for the rest.
    """

    def is_ready(self) -> bool:
        """Whether `/readyz` returns ok; False also while nothing answers."""
        ...

    def read_version(self) -> str: ...
    def read_masters(self) -> Mapping[str, str]:
        """The version of each API server, such as `v1.36.4`, by the name of its node."""
        ...

    def read_requested_apis(self) -> Sequence[RequestedApi]:
        """The deprecated APIs that clients have used since the server's start."""
        ...

    def read_time(self) -> datetime:
        """The server's own clock, to the second; ages of its objects are measured by it."""
        ...

    def list_nodes(self) -> Sequence[Node]: ...
    def read_node(self, name: str) -> Node | None: ...
    def list_join_tokens(self) -> Sequence[str]:
        """The ids of the join tokens, expired ones too; an id is the token's public part."""
        ...

    def list_pods(
        self, *, node: str = "", namespace: str = "", selector: str = ""
    ) -> Sequence[Pod]: ...

    def count_workload_pods(self) -> Mapping[str, int]:
        """Workload pods that are not finished, by node name, `""` for those without a node."""
        ...

    def read(self, manifest_kind: str, name: str, namespace: str = "") -> Manifest | None:
        """Read one object by kind, such as `ConfigMap`. Returns: None when it is absent."""
        ...

    def apply(self, manifest: Manifest) -> bool:
        """Create the object, or patch it to the manifest. Returns: whether anything changed."""
        ...

    def create(self, manifest: Manifest) -> bool:
        """Create the object. Returns: False when one of its name exists already."""
        ...

    def replace(self, manifest: Manifest) -> bool:
        """Replace the object that was read. Returns: False when it was changed in between."""
        ...

    def delete(self, manifest_kind: str, name: str, namespace: str = "") -> bool:
        """Delete one object. Returns: False when it was absent already."""
        ...

    def set_schedulable(self, node: str, schedulable: bool) -> None: ...
    def cordon_marked(self, node: str, mark: str) -> None:
        """Cordon a node, only while its annotation `mark` is `true`."""
        ...

    def label_node(self, node: str, labels: Mapping[str, str | None]) -> None:
        """Set labels of a node; None removes one."""
        ...

    def taint_node(self, node: str, add: Sequence[str], remove: Sequence[str]) -> None:
        """Change taints of a node, such as `gpu=true:NoSchedule`; others stay."""
        ...

    def annotate_node(self, node: str, annotations: Mapping[str, str | None]) -> None:
        """Set annotations of a node; None removes one."""
        ...

    def evict(self, pod: Pod) -> bool:
        """Evict exactly this pod. Returns: False while a disruption budget forbids it."""
        ...

    def list_workloads(self, namespace: str) -> Sequence[Workload]:
        """The Deployments and DaemonSets of a namespace."""
        ...

    def fetch_pod_page(self, namespace: str, pod: str, port: int, path: str) -> str:
        """GET a page of a pod through the apiserver's proxy. Returns: its text."""
        ...

    def fetch_service_page(self, namespace: str, service: str) -> str:
        """GET a service's page through the apiserver's proxy. Returns: its text."""
        ...

    def create_token(self, namespace: str, account: str, seconds: int) -> str: ...
