"""What a cluster's add-ons have made in the cloud, and its removal.

QingCloud's cloud controller manager makes a load balancer for each Service of type LoadBalancer,
for a public one an address, too; its CSI driver makes volumes for claims. All of them are billed,
and outlive the cluster. Source: both programs, run against the local cloud.
"""

import re
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from domain.cloud.api import Cloud
from domain.cloud.deleting import Named, delete_existing, ids_of, without_job
from domain.cloud.inventory import Inventory
from domain.cloud.records import Eip, LoadBalancer, SecurityGroup, Volume
from domain.cloud.tags import ensure_tagged
from domain.kernel.ensured import Ensured
from domain.kernel.names import Names
from domain.kernel.waiting import Clock

T = TypeVar("T")

BALANCER_PREFIX = "k8s_lb_"
"""Names go on with the controller's cluster id, which nothing of ours knows."""
ALLOCATED_EIP = "k8s_lb_allocate_eip"
"""The name of addresses that the controller allocates, and releases again."""
COMMON_GROUP = "k8s_lb_default_sg"
"""One group for all balancers of all clusters of an account; older controllers make one for each
balancer, of the same name as that."""
CLAIMED = re.compile(r"pvc-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The names of volumes that the CSI driver makes."""


@dataclass(frozen=True, slots=True)
class Service:
    """A Service of type LoadBalancer, as the cluster's API has it."""

    namespace: str
    name: str
    uid: str

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"

    def has(self, name: str) -> bool:
        """Whether a balancer of this name was made for it: the end of the name is its own."""
        return name.endswith(f"_{self.namespace}_{self.name}_{self.uid[:8]}")


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim with a volume of the CSI driver.

    Attributes:
        is_retained: the volume's policy is to outlive its claim.
        is_attached: the volume is in use by a node.
    """

    namespace: str
    name: str
    volume_id: str
    is_retained: bool = False
    is_attached: bool = False

    @property
    def full_name(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Requests:
    """What a cluster's users have asked its add-ons for; empty where its API does not answer."""

    services: tuple[Service, ...] = ()
    claims: tuple[Claim, ...] = ()

    @property
    def are_some(self) -> bool:
        return bool(self.services or self.claims)

    def purpose_of(self, resource: Named) -> str:
        """The Service or claim that a resource was made for, in words; empty if unknown."""
        for service in self.services:
            if service.has(resource.name):
                return f"Service {service.full_name}"
        for claim in self.claims:
            if claim.volume_id == resource.id:
                return f"claim {claim.full_name}"
        return ""


@dataclass(frozen=True, slots=True)
class AddOns:
    """The resources that a cluster's add-ons have made; they are deleted with the cluster.

    Attributes:
        retained: volumes whose policy is to outlive their claim, and addresses that a user has
            lent to a balancer; they are never deleted.
    """

    requests: Requests = field(default_factory=Requests)
    balancers: tuple[LoadBalancer, ...] = ()
    addresses: tuple[Eip, ...] = ()
    groups: tuple[SecurityGroup, ...] = ()
    volumes: tuple[Volume, ...] = ()
    retained: tuple[Volume | Eip, ...] = ()

    @property
    def ids(self) -> frozenset[str]:
        """The ids of everything that the add-ons have made."""
        made = (*self.balancers, *self.addresses, *self.groups, *self.volumes, *self.retained)
        return frozenset(one.id for one in made)

    @property
    def are_none(self) -> bool:
        """Whether there is nothing to delete, neither in the cloud nor in the cluster."""
        return self == AddOns(retained=self.retained)


def read_addons(cloud: Cloud, inventory: Inventory, requests: Requests) -> AddOns:
    """Read what the add-ons of a cluster have made: one call where there is nothing.

    A balancer is this cluster's if it is in a vxnet that the cluster has created, sends to its
    machines, is named after one of its Services and sends to no other machine that exists, or was
    marked by an earlier run.
    """
    known, marked = cloud.known, _marked(inventory)
    named = [one for one in known.list_loadbalancers() if one.name.startswith(BALANCER_PREFIX)]
    balancers = tuple(
        one for one in named if one.id in marked or _is_ours(known, one, inventory, requests)
    )
    eip_ids = [one for balancer in balancers for one in balancer.eip_ids]
    eips = _read(known.read_eips, [*eip_ids, *(one for one in marked if one.startswith("eip-"))])
    allocated = tuple(eip for eip in eips if eip.name == ALLOCATED_EIP)
    lent = tuple(eip for eip in eips if eip.id in eip_ids and eip not in allocated)
    policies = {claim.volume_id: claim.is_retained for claim in requests.claims}
    attached = [one for machine in inventory.instances for one in machine.volume_ids]
    vol_ids = [*attached, *policies, *(one for one in marked if one.startswith("vol-"))]
    volumes = [
        volume
        for volume in _read(known.read_volumes, vol_ids)
        if volume.id in policies or CLAIMED.fullmatch(volume.name)
    ]
    retained = tuple(volume for volume in volumes if policies.get(volume.id))
    return AddOns(
        requests,
        balancers,
        allocated,
        _groups(known, balancers, named, marked),
        tuple(volume for volume in volumes if volume not in retained),
        (*retained, *lent),
    )


def _marked(inventory: Inventory) -> frozenset[str]:
    """The ids of what has the cluster's tag, and is none of its own resources."""
    tagged = inventory.tag.resource_ids if inventory.tag else ()
    return frozenset(tagged) - inventory.resource_ids - inventory.adopted.ids


def _read(call: Callable[[Sequence[str]], Sequence[T]], ids: Iterable[str]) -> Sequence[T]:
    unique = tuple(dict.fromkeys(ids))
    return call(unique) if unique else ()


def _is_ours(
    cloud: Cloud, balancer: LoadBalancer, inventory: Inventory, requests: Requests
) -> bool:
    if balancer.vxnet_id in {vxnet.id for vxnet in inventory.own_vxnets}:
        return True
    machines = {machine.id for machine in inventory.instances}
    is_named = any(service.has(balancer.name) for service in requests.services)
    if not is_named and not machines:
        return False
    users = {backend.instance_id for backend in cloud.list_backends(balancer.id)}
    if users & machines:
        return True
    # A cluster that was restored from another's backup has the Services of that one.
    return is_named and not (users and cloud.read_instances(sorted(users)))


def _groups(
    cloud: Cloud,
    balancers: Sequence[LoadBalancer],
    named: Sequence[LoadBalancer],
    marked: Collection[str],
) -> tuple[SecurityGroup, ...]:
    """The groups of these balancers that nothing else uses.

    The common group goes with the account's last balancer of this kind: another cluster's
    controller does not make it again.
    """
    candidates = {one.security_group_id for one in balancers}
    candidates |= {one for one in marked if one.startswith("sg-")}
    if not candidates - {""}:
        return ()
    ids = {one.id for one in balancers}
    return tuple(
        group
        for group in cloud.search_security_groups(BALANCER_PREFIX)
        if group.id in candidates
        and ids.issuperset(group.user_ids)
        and (group.name != COMMON_GROUP or len(named) == len(balancers))
    )


def mark_addons(cloud: Cloud, inventory: Inventory, addons: AddOns) -> Ensured[None]:
    """Attach the cluster's tag to what add-ons have made, so that a later run finds it.

    Once Services, balancers or machines are deleted, nothing else shows whose the rest is. The
    names stay as they are: by them the controllers find what they have to clean up.
    """
    tag = ensure_tagged(cloud, Names(inventory.name), inventory)
    if not tag.value:  # another's tag has the name
        return Ensured(None, tag.did)
    made: list[tuple[str, str]] = [
        *(("loadbalancer", one.id) for one in addons.balancers),
        *(("eip", one.id) for one in addons.addresses),
        *(("security_group", one.id) for one in addons.groups),
        *(("volume", one.id) for one in addons.volumes),
    ]
    if made:
        cloud.attach_tag(tag.value, made)
    return Ensured(None, f"{tag.value} on {len(made)} resources")


def remove_balancers(cloud: Cloud, addons: AddOns, clock: Clock = time) -> Ensured[None]:
    """Delete the balancers that are left, then their addresses and groups."""
    balancers = [one.id for one in addons.balancers]
    addresses = [one.id for one in addons.addresses]
    groups = [one.id for one in addons.groups]
    look, delete = cloud.list_loadbalancers, cloud.delete_loadbalancers
    _delete(cloud, "the load balancers of Services", balancers, look, delete, clock)
    read = partial(cloud.read_eips, addresses)
    _delete(cloud, "the public addresses of Services", addresses, read, cloud.release_eips, clock)
    search = partial(cloud.search_security_groups, BALANCER_PREFIX)
    end = without_job(cloud.delete_security_groups)
    _delete(cloud, "the security groups of Services", groups, search, end, clock)
    done = [*balancers, *addresses, *groups]
    return Ensured(None, f"deleted {' '.join(done)}" if done else "there are none")


def remove_volumes(cloud: Cloud, addons: AddOns, clock: Clock = time) -> Ensured[None]:
    """Delete the volumes of claims; the machines that used them are gone."""
    ids = [volume.id for volume in addons.volumes]
    if not ids:
        return Ensured(None, "there are none")
    read = partial(cloud.read_volumes, ids)
    _delete(cloud, "the volumes of claims", ids, read, cloud.delete_volumes, clock)
    return Ensured(None, f"deleted {' '.join(ids)}")


def _delete(
    cloud: Cloud,
    what: str,
    ids: Sequence[str],
    read: Callable[[], Sequence[Named]],
    delete: Callable[[list[str]], str],
    clock: Clock,
) -> None:
    """Delete those that still exist: a controller may have deleted some, so the first one looks."""
    if ids:
        delete_existing(
            cloud, what, ids_of(read(), *ids), lambda: ids_of(read(), *ids), delete, clock
        )
