"""Checks against the cloud, before anything is created."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from domain.cloud.adopting import check_adopted
from domain.cloud.api import Cloud
from domain.cloud.images import check_system, choose_image
from domain.cloud.inventory import Inventory
from domain.cloud.network import check_ports_free, check_vpc, check_vxnet
from domain.cloud.records import Image, InstanceType
from domain.kernel.errors import InvalidSpec, QuotaReached
from domain.kernel.names import MASTERS, Names
from domain.spec.cluster import ClusterSpec

MASTER_MINIMUM = (2, 2048)
"""vCPUs and MiB that kubeadm's own preflight requires of a master."""


@dataclass(frozen=True, slots=True)
class Choices:
    """The image and type that each group's selectors match on this cloud, by group."""

    images: dict[str, Image]
    types: dict[str, InstanceType]

    @property
    def login_users(self) -> dict[str, str]:
        """The login user of each group's image."""
        return {group: image.login_user for group, image in self.images.items()}


@contextmanager
def catalogue_read_meanwhile(cloud: Cloud) -> Iterator[None]:
    """Read what the checks need of zones, images and types while the block runs.

    A run waits for these calls before it creates anything. A failed one is repeated by its check.
    """
    known = cloud.known
    with ThreadPoolExecutor(max_workers=3, thread_name_prefix="read-catalogue") as pool:
        for read in (known.list_zones, known.list_system_images, known.list_instance_types):
            pool.submit(read)
        yield


def preflight(cloud: Cloud, spec: ClusterSpec, inventory: Inventory, *, bills: bool) -> Choices:
    """Check a description against the cloud; reads only.

    Raises:
        InvalidSpec: zone, image, type or sources are invalid; the message names valid ones. Or a
            port of ours is forwarded elsewhere by hand. Or an existing network cannot be used.
        NameTaken: a network of our name has another range.
        QuotaReached: the account may not create the missing resources.
    """
    if bills and not spec.access.allowed_cidrs:
        raise InvalidSpec(
            "access.allowed_cidrs is empty: on an account that bills, name the sources that may "
            "reach API, UI and SSH, such as --allow 203.0.113.0/24"
        )
    check_zone(cloud)
    check_adopted(cloud, spec, inventory)
    if inventory.vpc:
        check_vpc(inventory.vpc, spec)
    numbers = {Names(spec.name).vxnet(n): n for n in range(1, 256)}
    for vxnet in inventory.own_vxnets:
        if vxnet.name in numbers:
            check_vxnet(vxnet, spec.network.vxnet_cidr(numbers[vxnet.name]))
    check_ports_free(spec.name, spec.access, inventory.forwards)
    choices = choose(cloud, spec)
    check_quota(cloud, spec, inventory, choices)
    return choices


def check_sources(allowed: Sequence[str], source: str) -> None:
    """Refuse sources that leave out this machine: it installs the others by SSH.

    Args:
        source: the address from which this machine reaches the cloud; a private one is ignored,
            because a router translates it.

    Raises:
        InvalidSpec: this machine could not connect to the cluster.
    """
    if not source:
        return
    address = IPv4Address(source)
    if not (address.is_loopback or address.is_global):
        return
    if not any(address in IPv4Network(cidr) for cidr in allowed):
        raise InvalidSpec(
            f"access.allowed_cidrs ({', '.join(allowed)}) leaves out this machine, {address}, "
            f"which has to install the others by SSH; add --allow {address}/32"
        )


def check_zone(cloud: Cloud) -> None:
    zones = {zone.id: zone.status for zone in cloud.known.list_zones()}
    if zones.get(cloud.zone) != "active":
        active = ", ".join(sorted(zone for zone, status in zones.items() if status == "active"))
        raise InvalidSpec(f"zone {cloud.zone!r} is not active or unknown; active are: {active}")


def choose(cloud: Cloud, spec: ClusterSpec) -> Choices:
    """Find image and type of each group. Raises `InvalidSpec`, which lists the available ones."""
    system = list(cloud.known.list_system_images())
    types = {
        kind.id: kind for kind in cloud.known.list_instance_types() if kind.status == "available"
    }
    images: dict[str, Image] = {}
    for group in spec.group_names:
        template = spec.template(group)
        known = {image.id for image in system}
        own = (
            None
            if template.image in known or " " in template.image
            else cloud.known.find_image(template.image)
        )
        if own is None:
            check_system(own := choose_image(system, template.image))
        images[group] = own
        if unknown := [one for one in template.types if one not in types]:
            some = ", ".join(sorted(types)[:12])
            raise InvalidSpec(
                f"instance type {unknown[0]!r} of {group} is unknown in {cloud.zone}; "
                f"available are: {some} …"
            )
    for master in (types[one] for one in spec.template(MASTERS).types):
        if master.vcpus < MASTER_MINIMUM[0] or master.memory_mib < MASTER_MINIMUM[1]:
            raise InvalidSpec(
                f"instance type {master.id} has {master.vcpus} vCPUs and {master.memory_mib} MiB; "
                "a master needs 2 vCPUs and 2048 MiB at least"
            )
    return Choices(
        images, {group: types[spec.template(group).instance_type] for group in spec.group_names}
    )


def needed(spec: ClusterSpec, inventory: Inventory, choices: Choices) -> dict[str, int]:
    """The number of missing resources, by the cloud's names of quotas."""
    missing = {
        group: max(0, spec.count(group) - len(inventory.group(group))) for group in spec.group_names
    }
    machines = sum(missing.values())
    vxnets = spec.vxnets_for(spec.wanted)
    return {
        "instance": machines,
        "cpu": sum(count * choices.types[group].vcpus for group, count in missing.items()),
        "router": 0 if inventory.vpc else 1,
        "vxnet": max(0, vxnets - len(inventory.vxnets)),
        "eip": 0 if inventory.address else 1,
        "loadbalancer": 0 if inventory.balancer else 1,
        "security_group": (inventory.firewall is None) + (inventory.machine_group is None),
        "keypair": 0 if inventory.keypair else 1,
    }


def check_quota(cloud: Cloud, spec: ClusterSpec, inventory: Inventory, choices: Choices) -> None:
    wanted = {kind: count for kind, count in needed(spec, inventory, choices).items() if count}
    if not wanted:
        return
    left = cloud.known.read_quota_left(sorted(wanted))
    short = [
        f"{kind}: {count} wanted, {left[kind]} left"
        for kind, count in sorted(wanted.items())
        if kind in left and left[kind] < count
    ]
    if short:
        raise QuotaReached(
            f"the account's quota in {cloud.zone} is too small ({'; '.join(short)}); "
            "request more with a ticket to QingCloud, or delete unused resources"
        )
