"""Quotas of the account, and their use."""

from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import QuotaExceeded


def used(cloud: Cloud) -> dict[str, int]:
    """Return the use of each quota; memory in MiB, disks in GiB, bandwidth in Mbit/s."""
    state = cloud.state
    instances, eips = state.instances.alive(), state.eips.alive()
    volumes = state.volumes.alive()
    own_groups = [group for group in state.groups.values() if not group.is_default]
    return {
        "instance": len(instances),
        "cpu": sum(instance.vcpus for instance in instances),
        "memory": sum(instance.memory_mib for instance in instances),
        "eip": len(eips),
        "eip_bandwidth": sum(eip.bandwidth for eip in eips),
        "router": len(state.routers.alive()),
        "vxnet": len(state.vxnets) - 1,  # the basic network is not the account's
        "security_group": len(own_groups),
        "keypair": len(state.keypairs),
        "loadbalancer": len(state.loadbalancers.alive()),
        "tag": len(state.tags),
        "volume": len(volumes),
        "volume_size": sum(volume.size_gib for volume in volumes),
        "nic": len(state.nics),
        "image": len(state.images.alive()),
    }


def allowed(cloud: Cloud, kind: str) -> int:
    """Return the quota of a kind, including one set by a fault."""
    return cloud.faults.quota(kind, cloud.quotas[kind])


def left(cloud: Cloud) -> dict[str, int]:
    """Return what is left of each quota."""
    taken = used(cloud)
    return {kind: allowed(cloud, kind) - taken.get(kind, 0) for kind in cloud.quotas}


def require(cloud: Cloud, **wanted: int) -> None:
    """Refuse a request that exceeds a quota, before any of it is done."""
    available = left(cloud)
    for kind, number in wanted.items():
        if number > available[kind]:
            raise QuotaExceeded(kind, available[kind], number)
