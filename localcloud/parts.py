"""How the three parts of the local cloud see each other.

`iaas` boots and halts machines; a machine's kubeadm starts a control plane or a kubelet; both
reach each other through the fabric. Nothing else crosses.
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
    """All that a new machine is born with."""

    instance_id: str
    hostname: str
    vpc: str  # the router's id; empty outside a VPC: such a machine reaches nobody
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
    """What may fail on a machine that runs otherwise."""

    KUBELET = "kubelet"  # its kubelet does not run, whoever starts it
    API_SERVER = "api-server"  # on a master: nothing answers on the API's port
    PACKAGES = "packages"  # another program holds the package manager's lock


class MachineHost(Protocol):
    """The machines behind the IaaS API."""

    async def boot(self, spec: MachineSpec) -> None:
        """Start a machine, new or halted; returns once its SSH server answers."""
        ...

    async def halt(self, instance_id: str) -> None:
        """Power off: nothing on it answers any more, its disk stays."""
        ...

    async def destroy(self, disk_id: str) -> None:
        """Forget a machine, powered off first, or an image; an unknown one is fine."""
        ...

    async def capture(self, instance_id: str, image_id: str) -> None:
        """Copy the disk of a halted machine: those born with this image begin with it."""
        ...

    async def fail(self, instance_id: str, component: Component) -> None:
        """Let a part of a machine fail, now or when it boots, until `recover`."""
        ...

    async def recover(self, instance_id: str, component: Component) -> None:
        """Let the part work again; a machine that never failed is fine."""
        ...
