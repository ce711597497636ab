"""Installing, watching and removing add-ons through a cluster's API."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from domain.cluster.addon_install import (
    METRICS,
    ensure_objects,
    find_installed,
    find_trouble,
    remove_objects,
)
from domain.cluster.addon_objects import KEYS, AddOn, addon_objects, wanted_addons
from domain.cluster.api import ClusterApi, Manifest, Node
from domain.kernel.errors import TemporaryError, WaitTimedOut
from tasks.installers import addon_manifest
from tests.domain.clocks import JumpingClock
from tests.domain.cluster.test_addon_objects import ALL, PLACE

MANIFESTS = {addon: addon_manifest(addon.file) for addon in AddOn}
WORKER = Node("k8s-node-1", "192.168.1.4", True, True, 40)


@dataclass
class Api:
    """An API server whose workloads are ready once they are there, unless they are sick."""

    objects: dict[tuple[str, str], Any] = field(default_factory=dict)
    sick: str = ""
    drivers: list[str] = field(default_factory=lambda: ["disk.csi.qingcloud.com"])
    deletions: int | None = None

    def apply(self, manifest: Manifest) -> bool:
        key = manifest["kind"], manifest["metadata"]["name"]
        changed = self.objects.get(key) != manifest
        self.objects[key] = deepcopy(dict(manifest))
        return changed

    def read(self, kind: str, name: str, namespace: str = "") -> Any:
        if kind == "CSINode":
            return {"spec": {"drivers": [{"name": one} for one in self.drivers]}}
        found = self.objects.get((kind, name))
        if found is None:
            return None
        ready = 0 if name == self.sick else 1
        if kind == "APIService":
            condition = {"type": "Available", "status": "True" if ready else "False"}
            return {**found, "status": {"conditions": [condition | {"message": "no endpoints"}]}}
        status = {
            "observedGeneration": 1, "readyReplicas": ready, "updatedReplicas": 1,
            "numberReady": ready, "updatedNumberScheduled": 1, "desiredNumberScheduled": 1,
        }  # fmt: skip
        metadata = {**found["metadata"], "generation": 1}
        return {**found, "metadata": metadata, "status": status}

    def delete(self, kind: str, name: str, namespace: str = "") -> bool:
        if self.deletions is not None:
            self.deletions -= 1
            if self.deletions < 0:
                raise TemporaryError("the API server does not answer")
        return self.objects.pop((kind, name), None) is not None

    def list_nodes(self) -> list[Node]:
        return [WORKER]

    @property
    def as_api(self) -> ClusterApi:
        return cast(ClusterApi, self)


def objects_of(addon: AddOn) -> list[Any]:
    return addon_objects(wanted_addons(ALL)[addon], MANIFESTS[addon], PLACE)


def install(api: Api, addon: AddOn) -> str:
    return ensure_objects(api.as_api, addon, objects_of(addon), JumpingClock()).did


@pytest.mark.parametrize("addon", AddOn)
def test_a_second_installation_changes_nothing(addon: AddOn) -> None:
    api = Api()
    assert find_installed(api.as_api, MANIFESTS) == frozenset()
    assert (install(api, addon), install(api, addon)) == ("installed", "kept")
    assert find_installed(api.as_api, MANIFESTS) == {addon}


@pytest.mark.parametrize(
    ("addon", "broken", "words"),
    [
        (AddOn.METRICS_SERVER, {"sick": "metrics-server"}, "Deployment metrics-server has 0 of 1"),
        (AddOn.METRICS_SERVER, {"sick": METRICS}, f"{METRICS}: no endpoints"),
        (AddOn.CLOUD_CONTROLLER, {"sick": "cloud-controller-manager"}, "has 0 of 1 pods ready"),
        (AddOn.CSI, {"sick": "csi-qingcloud-node"}, "DaemonSet csi-qingcloud-node has 0 of 1"),
        (AddOn.CSI, {"drivers": []}, "node k8s-node-1 has not registered disk.csi.qingcloud.com"),
    ],
)
def test_one_that_does_not_work_is_named_with_what_to_look_at(
    addon: AddOn, broken: Mapping[str, Any], words: str
) -> None:
    api = Api(**broken)
    with pytest.raises(WaitTimedOut, match=rf"add-on {addon} does not work .*{words}.*kubectl"):
        install(api, addon)
    assert words in find_trouble(api.as_api, addon, objects_of(addon))


@pytest.mark.parametrize("addon", AddOn)
def test_a_removal_that_was_cut_off_anywhere_is_seen_and_finished(addon: AddOn) -> None:
    everything = len(objects_of(addon)) + 2
    for answered in range(everything):
        api = Api()
        install(api, addon)
        if addon in KEYS:
            api.objects["Secret", KEYS[addon]] = {"metadata": {"name": KEYS[addon]}}
        api.deletions = answered
        try:
            remove_objects(api.as_api, addon, MANIFESTS[addon])
        except TemporaryError:
            assert find_installed(api.as_api, MANIFESTS) == {addon}
        api.deletions = None
        remove_objects(api.as_api, addon, MANIFESTS[addon])
        assert api.objects == {}


def test_a_class_with_other_parameters_is_made_anew() -> None:
    api = Api()
    install(api, AddOn.CSI)
    api.objects["StorageClass", "qingcloud"]["parameters"]["type"] = "0"
    assert install(api, AddOn.CSI) == "installed"
    assert api.objects["StorageClass", "qingcloud"]["parameters"]["type"] == "200"
