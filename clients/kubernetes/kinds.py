"""The API paths of the kinds that we read and write."""

from dataclasses import dataclass
from urllib.parse import quote

from domain.kernel.errors import InvalidSpec


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource's group and version, its plural, and whether it is namespaced."""

    api_version: str
    plural: str
    namespaced: bool = True

    def collection(self, namespace: str = "") -> str:
        """The path of all objects, or of those in one namespace."""
        root = "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"
        if self.namespaced and namespace:
            return f"{root}/namespaces/{quote(namespace, safe='')}/{self.plural}"
        return f"{root}/{self.plural}"

    def object(self, name: str, namespace: str = "") -> str:
        """The path of one object; without a namespace it is the one called `default`."""
        return f"{self.collection(namespace or 'default')}/{quote(name, safe='')}"


KINDS = {
    "APIService": Kind("apiregistration.k8s.io/v1", "apiservices", namespaced=False),
    "CSIDriver": Kind("storage.k8s.io/v1", "csidrivers", namespaced=False),
    "CSINode": Kind("storage.k8s.io/v1", "csinodes", namespaced=False),
    "ClusterRole": Kind("rbac.authorization.k8s.io/v1", "clusterroles", namespaced=False),
    "ClusterRoleBinding": Kind(
        "rbac.authorization.k8s.io/v1", "clusterrolebindings", namespaced=False
    ),
    "ConfigMap": Kind("v1", "configmaps"),
    "DaemonSet": Kind("apps/v1", "daemonsets"),
    "Deployment": Kind("apps/v1", "deployments"),
    "Event": Kind("v1", "events"),
    "Lease": Kind("coordination.k8s.io/v1", "leases"),
    "Namespace": Kind("v1", "namespaces", namespaced=False),
    "Node": Kind("v1", "nodes", namespaced=False),
    "PersistentVolume": Kind("v1", "persistentvolumes", namespaced=False),
    "PersistentVolumeClaim": Kind("v1", "persistentvolumeclaims"),
    "Pod": Kind("v1", "pods"),
    "PodDisruptionBudget": Kind("policy/v1", "poddisruptionbudgets"),
    "ReplicationController": Kind("v1", "replicationcontrollers"),
    "Role": Kind("rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": Kind("rbac.authorization.k8s.io/v1", "rolebindings"),
    "Secret": Kind("v1", "secrets"),
    "Service": Kind("v1", "services"),
    "ServiceAccount": Kind("v1", "serviceaccounts"),
    "StorageClass": Kind("storage.k8s.io/v1", "storageclasses", namespaced=False),
    "VolumeAttachment": Kind("storage.k8s.io/v1", "volumeattachments", namespaced=False),
}


def find_kind(name: str) -> Kind:
    """Look a kind up by its name, such as `ConfigMap`.

    Raises:
        InvalidSpec: the kind is not in `KINDS`.
    """
    kind = KINDS.get(name)
    if kind is None:
        raise InvalidSpec(f"{name!r} is not a known kind; known are {', '.join(KINDS)}")
    return kind
