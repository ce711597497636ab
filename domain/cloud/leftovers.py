"""Resources of an account that belong to no living cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from domain.cloud.addons import (
    ALLOCATED_EIP,
    BALANCER_PREFIX,
    CLAIMED,
    COMMON_GROUP,
    AddOns,
    Requests,
)
from domain.cloud.adopted import noted_on
from domain.cloud.api import Cloud
from domain.cloud.records import LoadBalancer, Volume
from domain.kernel.names import MASTERS, ROOT, Names, cluster_of

YOUNG = timedelta(hours=1)
"""Resources younger than this may belong to something that is under creation."""


class _Dated(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Clusters:
    """The names of all clusters of an account, by their state.

    Attributes:
        living: they have a router and a master.
        young: they have not, and may be under creation.
        dead: they have not, and everything that bears their names is left over.
        adopted: the ids of what they use and have not created.
    """

    living: tuple[str, ...] = ()
    young: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    adopted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Orphans:
    """What add-ons have made, and no cluster uses.

    Attributes:
        sure: no living cluster asks for it.
        doubtful: volumes that no machine uses: they may be wanted, and are never deleted unasked.
        silent: living clusters that could not be asked. While there are any, nothing is sure.
    """

    sure: AddOns = field(default_factory=AddOns)
    doubtful: tuple[Volume, ...] = ()
    silent: tuple[str, ...] = ()


def find_clusters(cloud: Cloud, now: datetime) -> Clusters:
    """Find all clusters of the account by the names of their resources: seven calls."""
    vpcs, machines = cloud.search_vpcs(ROOT), cloud.find_instances(ROOT)
    groups = cloud.search_security_groups(ROOT)
    named: list[_Dated] = [
        *vpcs,
        *machines,
        *cloud.find_vxnets(ROOT),
        *cloud.search_eips(ROOT),
        *cloud.list_loadbalancers(),
        *groups,
        *cloud.search_keypairs(ROOT),
    ]
    routed = {cluster_of(vpc.name) for vpc in vpcs}
    routed |= {cluster_of(group.name) for group in groups if noted_on(group).vpc}
    mastered = {
        cluster
        for machine in machines
        if (cluster := cluster_of(machine.name))
        and machine.is_alive
        and machine.name == Names(cluster).group(MASTERS)
    }
    living = routed & mastered
    names = {cluster_of(one.name) for one in named} - living - {""}
    young = {cluster_of(one.name) for one in named if now - one.created_at < YOUNG}
    return Clusters(
        tuple(sorted(living)),
        tuple(sorted(names & young)),
        tuple(sorted(names - young)),
        frozenset().union(*(noted_on(group).ids for group in groups)),
    )


def find_orphans(
    cloud: Cloud, requests: Mapping[str, Requests | None], living_vxnets: set[str], now: datetime
) -> Orphans:
    """Find what add-ons have made and no cluster uses.

    Args:
        requests: of each living cluster; None where it could not be asked.
        living_vxnets: the vxnets of clusters that are not dead; what is in them is theirs.
    """
    named = [one for one in cloud.list_loadbalancers() if one.name.startswith(BALANCER_PREFIX)]
    asked = [one for one in requests.values() if one is not None]
    balancers = tuple(
        one
        for one in named
        if now - one.created_at >= YOUNG
        and one.vxnet_id not in living_vxnets
        and not any(service.has(one.name) for some in asked for service in some.services)
        and not _serves(cloud, one)
    )
    gone = {one.id for one in balancers}
    addresses = tuple(
        eip
        for eip in cloud.search_eips(ALLOCATED_EIP)
        if eip.name == ALLOCATED_EIP
        and now - eip.created_at >= YOUNG
        and (not eip.bound_to or eip.bound_to in gone)
    )
    left = [one for one in named if one.id not in gone]
    groups = tuple(
        group
        for group in cloud.search_security_groups(BALANCER_PREFIX)
        if gone.issuperset(group.user_ids)
        and (group.name != COMMON_GROUP or not (left or requests))
        and now - group.created_at >= YOUNG
    )
    claimed = {claim.volume_id for some in asked for claim in some.claims}
    volumes = tuple(
        one
        for one in cloud.search_volumes("pvc-")
        if CLAIMED.fullmatch(one.name)
        and not one.instance_id
        and one.id not in claimed
        and now - one.created_at >= YOUNG
    )
    silent = tuple(name for name, some in requests.items() if some is None)
    sure = AddOns(balancers=balancers, addresses=addresses, groups=groups)
    return Orphans(sure, volumes, silent)


def _serves(cloud: Cloud, balancer: LoadBalancer) -> bool:
    """Whether a balancer sends to a machine that exists."""
    users = [one.instance_id for one in cloud.list_backends(balancer.id)]
    return bool(users) and bool(cloud.read_instances(users))
