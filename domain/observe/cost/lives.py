"""The lifetimes of billed resources, as far as collections have observed them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from domain.cloud.addons import AddOns
from domain.cloud.inventory import Inventory, Machines
from domain.cloud.records import Eip, Volume
from domain.spec.prices import Billing, Prices

NETWORK = "network"
"""The group of shared resources: router, load balancer, public address."""

_ROUTER, _BALANCER = "router", "load balancer"
_ADDRESS, _BANDWIDTH = "public address", "public address by bandwidth"
_VOLUME = "volume"


@dataclass(frozen=True, slots=True)
class Life:
    """The lifetime of one resource; `ended_at` is None while it exists.

    The cloud drops deleted resources from its lists after some time, so we keep the lifetimes. A
    resource that was changed counts as if it had always been what it is now.

    Attributes:
        group: a group of machines, or `NETWORK`.
        kind: an instance type, or another kind such as `router`.
        units: multiplies the kind's price: the Mbit/s of an address, the GiB of a volume, else 1.
    """

    resource: str
    group: str
    kind: str
    created_at: datetime
    ended_at: datetime | None = None
    units: int = 1

    def price(self, prices: Prices) -> Decimal | None:
        """Yuan per hour; None where the price is unknown."""
        shared = {
            _ROUTER: prices.router,
            _BALANCER: prices.load_balancer,
            _ADDRESS: prices.address(0, Billing.TRAFFIC),
            _BANDWIDTH: prices.address(self.units, Billing.BANDWIDTH),
            _VOLUME: prices.volume_gib * self.units,
        }
        return shared[self.kind] if self.kind in shared else prices.machine(self.kind)


def lives_of(seen: Machines) -> Iterator[Life]:
    """All that was seen of a cluster and is billed; machines come first.

    What the cluster has adopted costs the same without it, and is left out.
    """
    for machine in seen.instances:
        yield Life(machine.id, seen.group_of(machine), machine.type_id, machine.created_at)
    if not isinstance(seen, Inventory):
        return
    seen = seen.own
    if seen.vpc:
        yield Life(seen.vpc.id, NETWORK, _ROUTER, seen.vpc.created_at)
    if seen.balancer:
        yield Life(seen.balancer.id, NETWORK, _BALANCER, seen.balancer.created_at)
    if seen.address:
        yield _life_of_address(seen.address)


def lives_of_addons(addons: AddOns) -> Iterator[Life]:
    """The billed resources that a cluster's add-ons have made, those included that are retained."""
    for balancer in addons.balancers:
        yield Life(balancer.id, NETWORK, _BALANCER, balancer.created_at)
    for one in (*addons.addresses, *addons.volumes, *addons.retained):
        if isinstance(one, Volume):
            yield Life(one.id, NETWORK, _VOLUME, one.created_at, units=one.size_gib)
        else:
            yield _life_of_address(one)


def _life_of_address(address: Eip) -> Life:
    by_bandwidth = address.billing is Billing.BANDWIDTH
    kind, units = (_BANDWIDTH, address.bandwidth_mbps) if by_bandwidth else (_ADDRESS, 1)
    return Life(address.id, NETWORK, kind, address.created_at, units=units)


def size_changes(lives: Sequence[Life]) -> list[tuple[datetime, int]]:
    """The begins (+1) and ends (-1) of lifetimes, in order; of one moment the ends come first."""
    ends = [(life.ended_at, -1) for life in lives if life.ended_at]
    return sorted([*ends, *((life.created_at, 1) for life in lives)])


def follow_lives(known: Sequence[Life], seen: Machines, now: datetime) -> tuple[Life, ...]:
    """The lives that are new or have ended since the last look; empty when none has.

    The cloud does not report when a resource was deleted, so its end is the first reading without
    it: late by up to the interval of readings, never early. A resource that appears again goes on.

    Args:
        seen: the machines, or the whole inventory; what machines share is only in the latter.
    """
    whole = isinstance(seen, Inventory)
    lives = {life.resource: life for life in known}
    found = {life.resource: life for life in lives_of(seen)}
    changed = [life for life in found.values() if lives.get(life.resource) != life]
    changed += [
        replace(life, ended_at=now)
        for life in known
        if (whole or life.group != NETWORK) and life.ended_at is None and life.resource not in found
    ]
    return tuple(changed)
