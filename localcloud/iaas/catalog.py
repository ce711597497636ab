"""The catalogue of the local zone: images, instance types, quotas."""

from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_ZONE = "local1"
REGION = "local"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that machines boot from.

    The real ids of the system images of these releases are not published: look them up by name.
    """

    id: str
    name: str
    os_family: str
    os_id: str  # these two as in /etc/os-release
    os_version: str
    login_user: str
    disk_gib: int = 20
    provider: str = "system"  # or "self"


IMAGES: Mapping[str, Image] = {
    image.id: image
    for image in (
        Image("noble1x64a", "Ubuntu Server 24.04 LTS 64bit", "ubuntu", "ubuntu", "24.04", "root"),
        Image("jammy1x64a", "Ubuntu Server 22.04 LTS 64bit", "ubuntu", "ubuntu", "22.04", "ubuntu"),
        Image("bookworm1x64a", "Debian 12 64bit", "debian", "debian", "12", "root"),
        Image("rocky9x64a", "Rocky Linux 9 64bit", "rocky", "rocky", "9", "root"),
        Image("centos7x64d", "CentOS 7 64bit", "centos", "centos", "7", "root"),
        Image("centos76x64a", "CentOS 7.6 64bit", "centos", "centos", "7", "root"),
    )
}


@dataclass(frozen=True, slots=True)
class InstanceType:
    id: str
    vcpus: int
    memory_mib: int
    instance_class: int
    status: str = "available"


_VCPUS = {"small": 1, "large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32}
_FAMILIES = {  # family -> (class, sizes, GiB for each vCPU)
    "s1": (101, ("small", "large", "xlarge", "2xlarge"), (1, 2, 4)),
    "e2": (201, tuple(_VCPUS), (1, 2, 4, 8)),
}

INSTANCE_TYPES: Mapping[str, InstanceType] = {
    kind.id: kind
    for kind in (
        *(
            InstanceType(
                f"{family}.{size}.r{ratio}",
                _VCPUS[size],
                _VCPUS[size] * ratio * 1024,
                instance_class,
            )
            for family, (instance_class, sizes, ratios) in _FAMILIES.items()
            for size in sizes
            for ratio in ratios
        ),
        InstanceType("small_b", 1, 1024, 0, status="deprecated"),
    )
}

VALID_VCPUS = (1, 2, 4, 8, 16)
VALID_MEMORY_MIB = (1024, 2048, 4096, 6144, 8192, 12288, 16384, 24576, 32768)

QUOTAS: Mapping[str, int] = {
    "instance": 300,
    "cpu": 2400,
    "memory": 9_830_400,  # MiB
    "eip": 40,
    "eip_bandwidth": 10_000,  # Mbit/s
    "router": 20,
    "vxnet": 100,
    "security_group": 60,
    "keypair": 100,
    "loadbalancer": 20,
    "tag": 100,
    "volume": 100,
    "volume_size": 100_000,  # GiB
    "nic": 200,
    "image": 20,
}
