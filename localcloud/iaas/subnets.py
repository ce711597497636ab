"""Addresses of private networks and their owners."""

import ipaddress

from localcloud.iaas.errors import BadParameter, PermissionDenied
from localcloud.iaas.records import Vxnet

BALANCERS = ipaddress.IPv4Network("198.19.0.0/16")
"""The segment of public load balancers, outside of all networks of the account."""


def take_address(vxnet: Vxnet, owner_id: str, wanted: str = "") -> str:
    """Reserve the wanted address for an owner, or the lowest free one of the DHCP pool.

    Returns `""` for a network without a router, which has no addresses.
    """
    if not vxnet.cidr:
        if wanted:
            raise PermissionDenied(f"vxnet [{vxnet.id}] has not joined a router")
        return ""
    address = _check(vxnet, wanted) if wanted else _first_free(vxnet)
    vxnet.addresses[address] = owner_id
    return address


def take_address_of_balancers(vxnet: Vxnet, owner_id: str) -> str:
    """Reserve the lowest free address of the segment of public balancers.

    QingCloud's cloud controller manager knows that segment: an address in it is none that clients
    reach a balancer by.
    """
    free = (str(one) for one in BALANCERS.hosts() if str(one) not in vxnet.addresses)
    address = next(free)
    vxnet.addresses[address] = owner_id
    return address


def give_back(vxnet: Vxnet, owner_id: str) -> None:
    """Release every address of an owner."""
    for address in [a for a, owner in vxnet.addresses.items() if owner == owner_id]:
        del vxnet.addresses[address]


def move(vxnet: Vxnet, owner_id: str, address: str) -> None:
    """Release every address of an owner except one."""
    give_back(vxnet, owner_id)
    vxnet.addresses[address] = owner_id


def count_free(vxnet: Vxnet) -> int:
    if not vxnet.cidr:
        return 0
    first, last = _pool(vxnet)
    return last - first + 1 - len(vxnet.addresses)


def _check(vxnet: Vxnet, wanted: str) -> str:
    try:
        address = ipaddress.IPv4Address(wanted)
    except ValueError:
        raise BadParameter(f"[{wanted}] is not an address") from None
    first, last = _pool(vxnet)
    if not first <= int(address) <= last:
        raise PermissionDenied(f"[{wanted}] is not in the pool of vxnet [{vxnet.id}]")
    if wanted in vxnet.addresses:
        raise PermissionDenied(f"[{wanted}] is already used in vxnet [{vxnet.id}]")
    return wanted


def _first_free(vxnet: Vxnet) -> str:
    first, last = _pool(vxnet)
    for number in range(first, last + 1):
        address = str(ipaddress.IPv4Address(number))
        if address not in vxnet.addresses:
            return address
    raise PermissionDenied(f"vxnet [{vxnet.id}] has no free address left")


def _pool(vxnet: Vxnet) -> tuple[int, int]:
    return int(ipaddress.IPv4Address(vxnet.first_ip)), int(ipaddress.IPv4Address(vxnet.last_ip))
