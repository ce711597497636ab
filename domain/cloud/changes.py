"""What may change in the description of a cluster that exists, and what it keeps from its birth."""

from collections.abc import Collection
from ipaddress import IPv4Network
from operator import attrgetter

from domain.cloud.inventory import Inventory
from domain.kernel.errors import InvalidSpec
from domain.spec.cluster import ClusterSpec

_HAND = "change the address in QingCloud's console first, then run the same command again"
_BESIDE = "keep what it has, or make a new cluster with another name beside it"

FIXED = {
    "kubernetes.version": "upgrade all its machines by hand first, or make a new cluster with "
    "another name beside it",
    "kubernetes.pods_per_node": _BESIDE,
    "network.vpc_cidr": _BESIDE,
    "network.first_vxnet": _BESIDE,
    "network.pod_cidr": _BESIDE,
    "network.service_cidr": _BESIDE,
    "address.bandwidth_mbps": _HAND,
    "address.billing": _HAND,
}
"""What no run can change, and what a person can do instead."""

FREE = (
    "name",  # another name is another cluster
    "masters.",  # one for now; its template, as the nodes', is for machines that are yet to come
    "nodes.",  # but for a maximum that the pod network has no room for
    "access.",
    "kubernetes.image_repository",
    "kubernetes.package_mirror",
    "kubernetes.pull_mirrors",
    "monitoring.",
    "alarms",
    "notifications.",
    "prices.",
    "scaling",
)
"""What a run changes, or what counts for new machines and from the next look on."""


def refuse_changes(
    before: ClusterSpec, wanted: ClusterSpec, inventory: Inventory, running: Collection[str]
) -> None:
    """Refuse what was settled when the cluster was made: it would be stored, and not be so.

    Args:
        before: what was asked last.
        running: the versions of the cluster's kubelets, such as `v1.36.4`; only looked at when
            another version is wanted.

    Raises:
        InvalidSpec: names every such value and what there is instead.
    """
    names = [name for name in FIXED if _value(before, name) != _value(wanted, name)]
    refused = [name for name in names if not _has_become(name, wanted, inventory, running)]
    words = [
        f"{name} is {_value(before, name)}, wanted is {_value(wanted, name)}" for name in refused
    ]
    remedies = [*dict.fromkeys(FIXED[name] for name in refused)]
    if "kubernetes.version" in refused and len(running) > 1:
        words.append(f"its nodes run {' and '.join(sorted(v.lstrip('v') for v in running))}")
    if not refused and (most := _most_nodes(before)) < wanted.nodes.maximum:
        words = [f"nodes.maximum can be {most} at most, because its pod network was divided so"]
        remedies = [_BESIDE]
    if words:
        what = f"cluster {wanted.name} exists, and {', '.join(words)}"
        raise InvalidSpec(f"{what}, which cannot be changed; {'; '.join(remedies)}")


def _value(spec: ClusterSpec, name: str) -> object:
    return attrgetter(name)(spec)


def _has_become(
    name: str, wanted: ClusterSpec, inventory: Inventory, running: Collection[str]
) -> bool:
    """Whether a person has made it so."""
    if name == "kubernetes.version":
        return set(running) == {f"v{wanted.kubernetes.version}"}
    if name == "address.bandwidth_mbps":
        return (
            inventory.address is None
            or inventory.address.bandwidth_mbps == wanted.address.bandwidth_mbps
        )
    if name == "address.billing":
        return inventory.address is None or inventory.address.billing == wanted.address.billing
    return False


def _most_nodes(before: ClusterSpec) -> int:
    """How many nodes have a share of the pod network, which the control plane divides once."""
    shares = 1 << (before.node_cidr_mask - IPv4Network(before.network.pod_cidr).prefixlen)
    return shares - before.masters.count
