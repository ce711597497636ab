"""From the API's JSON to records; the only place that knows where a field stands."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from datetime import datetime
from typing import Any

from clients.kubernetes.quantities import read_amount
from domain.cloud.addons import Claim, Service
from domain.cluster.api import Node, Pod, Workload
from domain.kernel.errors import ApiRejected
from domain.node.serving import Kubelet

CSI_DRIVER = "disk.csi.qingcloud.com"

MIRROR = "kubernetes.io/config.mirror"

NOT_OF_A_DAEMON_SET = "!pod-template-generation"
"""Label selector: the DaemonSet controller alone puts this label on its pods."""

NOT_FINISHED = "status.phase!=Succeeded,status.phase!=Failed"


def node_from(item: Mapping[str, Any], now: datetime | None = None) -> Node:
    """Convert a node; `now` is by the API server's clock, if that is known."""
    metadata, status = item["metadata"], item.get("status", {})
    kubelet = kubelet_from(status, now)
    return Node(
        name=metadata["name"],
        address=_internal_ip(status),
        ready=kubelet.ready,
        schedulable=not item.get("spec", {}).get("unschedulable", False),
        pods_allocatable=read_amount(status.get("allocatable", {}).get("pods", 0)),
        version=status.get("nodeInfo", {}).get("kubeletVersion", ""),
        labels=metadata.get("labels", {}),
        annotations=metadata.get("annotations", {}),
        unready_seconds=kubelet.unready_seconds,
        taints=tuple(map(taint_text, item.get("spec", {}).get("taints") or ())),
    )


def taint_from(text: str) -> dict[str, str]:
    """A taint such as `gpu=true:NoSchedule` as the API has it."""
    pair, _, effect = text.rpartition(":")
    key, equals, value = pair.partition("=")
    return {"key": key, "effect": effect} | ({"value": value} if equals else {})


def taint_text(taint: Mapping[str, str]) -> str:
    """A taint as `kubectl taint` writes it: `gpu=true:NoSchedule`."""
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint['key']}{value}:{taint['effect']}"


def kubelet_from(status: Mapping[str, Any], now: datetime | None) -> Kubelet:
    """Read from a node's status whether it is Ready, or for how long it is not.

    The time of its heartbeats is of the node's own clock, so it is not compared: Kubernetes itself
    notices by one clock that they are missing, and sets the condition to Unknown after 40 s.
    """
    conditions = status.get("conditions") or ()
    ready = next((one for one in conditions if one["type"] == "Ready"), None)
    if ready is None or ready["status"] == "True":
        return Kubelet(ready is not None)
    return Kubelet(False, _seconds_since(ready.get("lastTransitionTime"), now))


def _seconds_since(stamp: str | None, now: datetime | None) -> float:
    """Seconds since a time of the API; 0 without one, and for one in the future."""
    if not stamp or now is None:
        return 0.0
    return max(0.0, (now - datetime.fromisoformat(stamp)).total_seconds())


def name_of(item: Mapping[str, Any]) -> str:
    """The name of an object, with its namespace where it has one."""
    metadata = item["metadata"]
    return "/".join(part for part in (metadata.get("namespace"), metadata["name"]) if part)


WORKLOADS = ("Deployment", "DaemonSet")


def workload_from(kind: str, item: Mapping[str, Any]) -> Workload:
    """Convert a Deployment or a DaemonSet."""
    status = item.get("status") or {}
    if kind == "DaemonSet":
        wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    else:
        wanted, ready = item["spec"].get("replicas", 1), status.get("readyReplicas", 0)
    return Workload(kind, item["metadata"]["name"], int(wanted), int(ready))


def pod_from(item: Mapping[str, Any]) -> Pod:
    metadata, status = item["metadata"], item.get("status", {})
    owners = metadata.get("ownerReferences", ())
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        node=item.get("spec", {}).get("nodeName", ""),
        phase=status.get("phase", ""),
        ready=is_condition_true(status, "Ready"),
        owner=next((owner["kind"] for owner in owners if owner.get("controller")), ""),
        is_mirror=MIRROR in metadata.get("annotations", {}),
        labels=metadata.get("labels", {}),
    )


def service_from(item: Mapping[str, Any]) -> Service:
    metadata = item["metadata"]
    return Service(metadata["namespace"], metadata["name"], metadata["uid"])


def claim_from(volume: Mapping[str, Any], attached: Container[str]) -> Claim | None:
    """The claim of a persistent volume; None where it is not one of the cloud's CSI driver."""
    spec = volume["spec"]
    source, claim = spec.get("csi") or {}, spec.get("claimRef") or {}
    if source.get("driver") != CSI_DRIVER:
        return None
    return Claim(
        namespace=claim.get("namespace", ""),
        name=claim.get("name", ""),
        volume_id=source["volumeHandle"],
        is_retained=spec.get("persistentVolumeReclaimPolicy") == "Retain",
        is_attached=volume["metadata"]["name"] in attached,
    )


def count_by_node(table: Mapping[str, Any]) -> Mapping[str, int]:
    """Count the rows of a Table of pods by node, mirror pods left out."""
    return Counter(node for node, _ in workload_rows(table))


def workload_rows(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield node (`""` for none) and ready containers (`1/2`) of a Table's pods.

    Mirror pods are left out. In a Table without objects only the name identifies a mirror pod: the
    kubelet ends it with the name of its own node, which other controllers do not know in advance.
    """
    if table.get("kind") != "Table":
        raise ApiRejected(
            f"requested a Table, got {table.get('kind')}", status=406, reason="NotAcceptable"
        )
    columns = [column["name"] for column in table["columnDefinitions"]]
    name_at, node_at, ready_at = (columns.index(name) for name in ("Name", "Node", "Ready"))
    for row in table.get("rows") or ():
        cells = row["cells"]
        node = cells[node_at]
        if node in ("<none>", None):
            node = ""
        if not node or not cells[name_at].endswith(f"-{node}"):
            yield node, cells[ready_at]


def is_condition_true(status: Mapping[str, Any], kind: str) -> bool:
    conditions = status.get("conditions") or ()
    # A person may have patched a condition without a type or a status into a node.
    return any(one.get("type") == kind and one.get("status") == "True" for one in conditions)


def _internal_ip(status: Mapping[str, Any]) -> str:
    addresses = status.get("addresses") or ()
    return next((one["address"] for one in addresses if one["type"] == "InternalIP"), "")
