"""The interfaces between the three parts of the local cloud.

`iaas` boots and halts machines; a machine's kubeadm starts a control plane or a kubelet; both
connect through the fabric. There are no other links.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class UserdataKind(StrEnum):
    PLAIN = "plain"  # written to a file, never executed
    EXEC = "exec"  # becomes /etc/rc.local, run at every boot
    TAR = "tar"  # an archive, unpacked from / before the first boot


@dataclass(frozen=True, slots=True)
class Userdata:
    kind: UserdataKind
    content: bytes
    path: str  # folder for `plain`, file for `exec`, not used for `tar`


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """All settings of a machine for its boot."""

    instance_id: str
    hostname: str
    vpc: str  # the router's id; empty outside a VPC, without a network
    address: str
    image_id: str
    os_id: str  # as in /etc/os-release: ubuntu, debian, rocky, centos …
    os_version: str  # as in /etc/os-release: 24.04, 12, 9, 7
    login_user: str
    authorized_keys: tuple[str, ...]  # whole lines, `ssh-ed25519 AAAA…`
    userdata: Userdata | None
    vcpus: int
    memory_mib: int


class Component(StrEnum):
    """The components of a running machine that may fail."""

    KUBELET = "kubelet"  # its kubelet does not run, even if started
    API_SERVER = "api-server"  # on a master: nothing answers on the API's port
    PACKAGES = "packages"  # the package manager, whose lock is held
    DISK = "disk"  # it is full: no package and no image fits


class MachineHost(Protocol):
    """The machines behind the IaaS API."""

    async def boot(self, spec: MachineSpec) -> None:
        """Start a machine, new or halted; return once its SSH server answers."""
        ...

    async def halt(self, instance_id: str) -> None:
        """Power off; the disk stays."""
        ...

    async def destroy(self, disk_id: str) -> None:
        """Delete a machine, powered off first, or an image; an unknown id is accepted."""
        ...

    async def capture(self, instance_id: str, image_id: str) -> None:
        """Copy the disk of a halted machine to an image for new machines."""
        ...

    async def fail(self, instance_id: str, component: Component) -> None:
        """Let a component of a machine fail, now or at its boot, until `recover`."""
        ...

    async def recover(self, instance_id: str, component: Component) -> None:
        """Let the component work again; one that has not failed is accepted."""
        ...
