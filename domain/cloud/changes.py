"""Which values of an existing cluster's description may change, and which are fixed."""

from collections.abc import Collection
from ipaddress import IPv4Network
from operator import attrgetter

from domain.cloud.inventory import Inventory
from domain.kernel.errors import InvalidSpec
from domain.kernel.texts import count_machines
from domain.spec.cluster import ClusterSpec

_HAND = "change the address in QingCloud's console first, then run the same command again"
_BESIDE = "keep the present value, or create a second cluster with another name"

FIXED = {
    "kubernetes.version": "upgrade the cluster with flows.upgrade first, or keep the present value",
    "kubernetes.pods_per_node": _BESIDE,
    "network.vpc": _BESIDE,
    "network.vpc_cidr": _BESIDE,
    "network.first_vxnet": _BESIDE,
    "network.pod_cidr": _BESIDE,
    "network.service_cidr": _BESIDE,
    "address.eip": _BESIDE,
    "address.bandwidth_mbps": _HAND,
    "address.billing": _HAND,
}
"""Values that no run can change, and the remedy by hand."""

FREE = (
    "name",  # another name is another cluster
    "masters.",  # as long as the pod network has room; its template is for new machines
    "nodes.",  # except for a maximum that the pod network has no room for
    "groups",  # one that has machines cannot be left out
    "hooks",
    "backup.",
    "addons.",
    "network.vxnets",  # more of them; the present ones stay
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
"""Values that a run changes, or that take effect for new machines and later evaluations."""


def refuse_changes(
    before: ClusterSpec, wanted: ClusterSpec, inventory: Inventory, running: Collection[str]
) -> None:
    """Refuse changes of values that are fixed: they would be stored and have no effect.

    Args:
        before: the description that the cluster stores.
        running: the versions of the cluster's kubelets, such as `v1.36.4`; used only when another
            version is wanted.

    Raises:
        InvalidSpec: names every such value, the present one and the remedy.
    """
    names = [name for name in FIXED if _value(before, name) != _value(wanted, name)]
    refused = [name for name in names if not _is_in_effect(name, wanted, inventory, running)]
    words = [
        f"{name} is {_value(before, name)}, wanted is {_value(wanted, name)}" for name in refused
    ]
    remedies = [*dict.fromkeys(FIXED[name] for name in refused)]
    if "kubernetes.version" in refused and len(running) > 1:
        words.append(f"its nodes run {' and '.join(sorted(v.lstrip('v') for v in running))}")
    if not refused and (stay := before.network.vxnets) != wanted.network.vxnets[: len(stay)]:
        words = [f"network.vxnets begins with {', '.join(stay)}"]
        remedies = ["keep these in their order, and add others behind them"]
    elif not refused and bool(stay) != bool(wanted.network.vxnets):
        words, remedies = ["its vxnets are its own"], [_BESIDE]
    elif not refused and (shares := _shares(before)) < wanted.largest:
        most = shares - wanted.masters.count
        what = "the sum of the groups' maxima" if wanted.groups else "nodes.maximum"
        words = [f"{what} can be {most} at most, by the division of its pod network"]
        remedies = [_BESIDE]
    elif not refused and (left := set(inventory.groups).difference(wanted.group_names)):
        group = min(left)
        words = [f"group {group} has {count_machines(len(inventory.group(group)))}"]
        remedies = [
            "remove them first with: "
            f"python -m flows.scale --name {wanted.name} --group {group} --count 0"
        ]
    if words:
        what = f"cluster {wanted.name} exists, and {', '.join(words)}"
        raise InvalidSpec(f"{what}, which cannot be changed; {'; '.join(remedies)}")


def _value(spec: ClusterSpec, name: str) -> object:
    return attrgetter(name)(spec)


def _is_in_effect(
    name: str, wanted: ClusterSpec, inventory: Inventory, running: Collection[str]
) -> bool:
    """Whether the wanted value is in effect already, after a change by hand."""
    if name == "kubernetes.version":
        return set(running) == {f"v{wanted.kubernetes.version}"}
    address = inventory.own.address  # an adopted one stays as it is
    if name == "address.bandwidth_mbps":
        return address is None or address.bandwidth_mbps == wanted.address.bandwidth_mbps
    if name == "address.billing":
        return address is None or address.billing == wanted.address.billing
    return False


def _shares(before: ClusterSpec) -> int:
    """For how many machines the pod network has shares; the control plane divides it once."""
    return 1 << (before.node_cidr_mask - IPv4Network(before.network.pod_cidr).prefixlen)
