"""A copy of a cluster, which has the names of what its source uses."""

from dataclasses import dataclass, field
from typing import Any

from domain.cluster.api import Manifest
from domain.cluster.copies import CONTROLLERS, separate_copy


@dataclass
class Api:
    replicas: dict[str, int] = field(default_factory=dict)
    volumes: int = 0

    def read(self, manifest_kind: str, name: str, namespace: str = "") -> Manifest | None:
        assert (manifest_kind, namespace) == ("Deployment", "kube-system")
        return {"spec": {"replicas": self.replicas[name]}} if name in self.replicas else None

    def apply(self, manifest: Manifest) -> bool:
        spec: dict[str, Any] = dict(manifest["spec"])
        self.replicas[manifest["metadata"]["name"]] = spec["replicas"]
        return True

    def retain_volumes(self) -> int:
        retained, self.volumes = self.volumes, 0
        return retained


def test_controllers_of_a_copy_stop_and_its_volumes_stay_with_their_source() -> None:
    api = Api(dict.fromkeys(CONTROLLERS, 1) | {"web": 3}, volumes=2)
    assert separate_copy(api).did == (
        "stopped cloud-controller-manager, csi-qingcloud-controller; "
        "2 volumes stay with their source"
    )
    assert api.replicas == dict.fromkeys(CONTROLLERS, 0) | {"web": 3}
    assert separate_copy(api).did == "nothing of its source is used"


def test_a_cluster_without_add_ons_needs_nothing() -> None:
    assert separate_copy(Api()).did == "nothing of its source is used"
