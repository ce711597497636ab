"""Installing an add-on, seeing that it works, and removing it."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from domain.cluster.addon_objects import KEYS, SETTINGS, AddOn, names_of
from domain.cluster.api import SYSTEM, ClusterApi, Manifest
from domain.kernel.ensured import Ensured
from domain.kernel.errors import WaitTimedOut
from domain.kernel.waiting import Clock, Pace, wait_for

SLOW = Pace(timeout=300.0, interval=3.0)
"""Images of several hundred megabytes are fetched first."""
METRICS = "v1beta1.metrics.k8s.io"
DRIVER = "disk.csi.qingcloud.com"
_WORKLOADS = ("Deployment", "DaemonSet")


def find_installed(api: ClusterApi, manifests: Mapping[AddOn, str]) -> frozenset[AddOn]:
    """The add-ons of ours that a cluster has, also those that are half removed.

    Args:
        manifests: the text of each manifest.
    """
    found = set()
    for addon, text in manifests.items():
        first = names_of(text)[0]["metadata"]
        if api.read("ServiceAccount", first["name"], SYSTEM) is not None:
            found.add(addon)
    return frozenset(found)


def ensure_objects(
    api: ClusterApi, addon: AddOn, objects: Sequence[Manifest], clock: Clock = time
) -> Ensured[None]:
    """Create or change the objects of an add-on, and wait until it works.

    Raises:
        WaitTimedOut: it does not; the message says what to look at.
    """
    changed = False
    for one in objects:
        if one["kind"] == "StorageClass":
            changed = _drop_other_class(api, one) or changed
        changed = api.apply(one) or changed

    def working() -> bool | None:
        return None if find_trouble(api, addon, objects) else True

    try:
        wait_for(working, what=f"add-on {addon}", pace=SLOW, clock=clock)
    except WaitTimedOut as error:
        raise WaitTimedOut(
            f"add-on {addon} does not work after {SLOW.timeout:g} s: "
            f"{find_trouble(api, addon, objects)}; look at it with: kubectl -n {SYSTEM} describe "
            "pods, and run the same command again"
        ) from error
    return Ensured(None, "installed" if changed else "kept")


def _drop_other_class(api: ClusterApi, wanted: Manifest) -> bool:
    """Delete a class with other parameters, which cannot be changed; volumes do not need it."""
    found = api.read("StorageClass", wanted["metadata"]["name"])
    if found is None or found.get("parameters") == wanted["parameters"]:
        return False
    return api.delete("StorageClass", wanted["metadata"]["name"])


def find_trouble(api: ClusterApi, addon: AddOn, objects: Iterable[Manifest]) -> str:
    """Why an add-on does not work; empty where it does."""
    wanted = [one for one in objects if one["kind"] in _WORKLOADS]
    for one in wanted:
        kind, name = one["kind"], one["metadata"]["name"]
        found = api.read(kind, name, SYSTEM)
        if found is None:
            return f"{kind} {name} does not exist"
        ready, number = _ready(kind, found)
        if ready < number:
            return f"{kind} {name} has {ready} of {number} pods ready"
    return _CHECKS[addon](api)


def _ready(kind: str, found: Manifest) -> tuple[int, int]:
    status, generation = found.get("status") or {}, found["metadata"].get("generation", 0)
    if status.get("observedGeneration", 0) < generation:
        return 0, 1
    if kind == "DaemonSet":
        fresh = status.get("updatedNumberScheduled", 0)
        return min(status.get("numberReady", 0), fresh), status.get("desiredNumberScheduled", 0)
    replicas = found["spec"].get("replicas", 1)
    return min(status.get("readyReplicas", 0), status.get("updatedReplicas", 0)), replicas


def _check_metrics(api: ClusterApi) -> str:
    found = api.read("APIService", METRICS)
    for one in (found or {}).get("status", {}).get("conditions") or ():
        if one["type"] == "Available":
            return "" if one["status"] == "True" else f"{METRICS}: {one.get('message', '')}"
    return f"{METRICS} is not served yet"


def _check_driver(api: ClusterApi) -> str:
    """Look whether each worker's kubelet knows the driver."""
    for node in api.list_nodes():
        if "node-role.kubernetes.io/control-plane" in node.labels or not node.ready:
            continue
        found = api.read("CSINode", node.name)
        drivers = [one["name"] for one in ((found or {}).get("spec") or {}).get("drivers") or ()]
        if DRIVER not in drivers:
            return f"node {node.name} has not registered {DRIVER}"
    return ""


def _check_nothing(api: ClusterApi) -> str:
    return ""


_CHECKS: Mapping[AddOn, Callable[[ClusterApi], str]] = {
    AddOn.METRICS_SERVER: _check_metrics,
    AddOn.CLOUD_CONTROLLER: _check_nothing,
    AddOn.CSI: _check_driver,
}


def remove_objects(api: ClusterApi, addon: AddOn, text: str) -> Ensured[None]:
    """Delete the objects of an add-on, the last one first; safe to repeat."""
    documents = names_of(text)
    removed = 0
    for one in reversed(documents[1:]):
        removed += _delete(api, one)
    if addon in KEYS:
        removed += api.delete("Secret", KEYS[addon], SYSTEM)
    if addon is AddOn.CLOUD_CONTROLLER:
        removed += api.delete("ConfigMap", SETTINGS, SYSTEM)
    removed += _delete(api, documents[0])
    return Ensured(None, f"removed, {removed} objects" if removed else "was removed already")


def _delete(api: ClusterApi, manifest: Manifest) -> bool:
    metadata = manifest["metadata"]
    return api.delete(manifest["kind"], metadata["name"], metadata.get("namespace", ""))
