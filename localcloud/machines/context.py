"""The state of a machine apart from its programs: its spec, its disk, its facts, its network."""

import socket
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from weakref import WeakKeyDictionary

from localcloud.clock import Clock
from localcloud.fabric import Fabric
from localcloud.kubernetes.client import ApiClient
from localcloud.kubernetes.planes import Plane, Planes
from localcloud.machines.disk import read_hosts
from localcloud.machines.repositories import MirrorFault
from localcloud.machines.state import State
from localcloud.machines.systems import find_system
from localcloud.parts import Component, MachineSpec
from localcloud.profiles import Profile

ETCD_DATA = "var/lib/etcd/member/snap/db"
"""Where etcd has its database; here it is that of the objects of the member."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all machines share."""

    fabric: Fabric
    clock: Clock
    profile: Profile
    planes: Planes
    tools: Path  # the host's tools that scripts may use
    mirror_faults: dict[str, MirrorFault] = field(default_factory=dict)  # by host
    kubelet_clients: WeakKeyDictionary[Plane, ApiClient] = field(default_factory=WeakKeyDictionary)


class MachineContext:
    """The state of one machine, running or not, as its programs use it.

    Attributes:
        spec: with the current address; a halted machine may restart with another one.
        is_new: whether its first boot has not been completed yet.
        failed: the components that fail now.
        booted_at: the moment of its last boot, as far as this daemon has seen it.
    """

    def __init__(self, spec: MachineSpec, folder: Path, shared: Shared) -> None:
        self.spec = spec
        self.shared = shared
        self.disk = folder / "disk"
        self.commands = folder / "commands"  # its stand-ins, first in its search path
        self.cluster_data = self.disk / ETCD_DATA
        self.system = find_system(spec.os_id, spec.os_version)
        self._state_file = folder / "state.json"
        self.is_new = not self._state_file.exists()
        self.state = State.load(self._state_file)
        self.failed: set[Component] = set()
        self.booted_at: datetime | None = None

    def save(self) -> None:
        """Write the facts to disk, unless the machine has been destroyed."""
        if self._state_file.parent.exists():
            self.state.save(self._state_file)

    def home(self, user: str) -> Path:
        return self.disk / ("root" if user == "root" else f"home/{user}")

    def read_hostname(self) -> str:
        return (self.disk / "etc/hostname").read_text(encoding="utf-8").strip()

    def resolve(self, name: str) -> str | None:
        """Find the address of a name by /etc/hosts; an address resolves to itself."""
        if name.replace(".", "").isdigit():
            return name
        return read_hosts(self.disk).get(name)

    def find_plane(self, ca_hash: str) -> Plane | None:
        """Find the plane of the cluster with this CA in the machine's own network."""
        return self.shared.planes.find(self.spec.vpc, ca_hash)

    def dial(self, address: str, port: int) -> socket.socket:
        """Connect from this machine to a private address. Raises what `Fabric.dial` raises."""
        return self.shared.fabric.dial(self.spec.vpc, self.spec.address, address, port)
