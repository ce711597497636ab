"""A cluster that was restored from another's backup, and what the other one has in the cloud.

Such a copy has the Services and the claims of its source, with their balancers and volumes. While
the source lives, these are its own: the copy's controllers must not follow them, nor may a teardown
of the copy delete them.
"""

from typing import Protocol

from domain.cluster.api import SYSTEM, Manifest
from domain.kernel.ensured import Ensured
from domain.kernel.texts import first_of

CONTROLLERS = ("cloud-controller-manager", "csi-qingcloud-controller")
"""The Deployments that change balancers and volumes; installing add-ons starts ours again."""


class CopyApi(Protocol):
    """The part of a cluster's API that a copy is separated through."""

    def read(self, manifest_kind: str, name: str, namespace: str = "") -> Manifest | None: ...
    def apply(self, manifest: Manifest) -> bool: ...
    def retain_volumes(self) -> int:
        """Let volumes of the cloud outlive their claims. Returns: how many did not before."""
        ...


def separate_copy(api: CopyApi) -> Ensured[None]:
    """Stop the controllers of a copy, and let the volumes of its claims stay whatever happens.

    This is in time where it follows the start of the API server: until the nodes of the source are
    deleted, its pods count as running there.
    """
    stopped = []
    for name in CONTROLLERS:
        found = api.read("Deployment", name, SYSTEM)
        if found and found["spec"].get("replicas", 1):
            metadata = {"name": name, "namespace": SYSTEM}
            stop = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}
            api.apply({**stop, "spec": {"replicas": 0}})
            stopped.append(name)
    retained = api.retain_volumes()
    words = [f"stopped {first_of(stopped)}"] if stopped else []
    words += [f"{retained} volumes stay with their source"] if retained else []
    return Ensured(None, "; ".join(words) or "nothing of its source is used")
