"""QingCloud's resources as records.

The terms are the cloud's own; its odd spellings and its JSON stay inside `clients/qingcloud`.
Source: QingCloud IaaS API documentation, version 1.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from domain.spec.prices import Billing

UNKNOWN = datetime.min.replace(tzinfo=UTC)
"""The time of creation of a resource that this run has created and not read yet."""


class InstanceStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"
    CEASED = "ceased"


class JobStatus(StrEnum):
    PENDING = "pending"
    WORKING = "working"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    PARTLY_FAILED = "done with failure"


@dataclass(frozen=True, slots=True)
class Zone:
    id: str
    status: str


@dataclass(frozen=True, slots=True)
class Image:
    """A disk image. `login_user` is the account that the key pair is installed for."""

    id: str
    name: str
    os_family: str
    status: str
    disk_gib: int
    login_user: str


@dataclass(frozen=True, slots=True)
class InstanceType:
    id: str
    vcpus: int
    memory_mib: int
    status: str


@dataclass(frozen=True, slots=True)
class Job:
    """`resource_ids` are the changed resources; `error_codes` is empty without a failure."""

    id: str
    action: str
    status: JobStatus
    resource_ids: tuple[str, ...] = ()
    error_codes: str = ""


class Unique:
    """A resource of which a cluster has one by its name, or several after a call that acted late.

    Attributes:
        is_used: whether another resource depends on it.
        lasting: what can never be changed; of two with our name it is the same if both are ours.
    """

    __slots__ = ()
    id: str
    name: str
    created_at: datetime

    @property
    def is_used(self) -> bool:
        raise NotImplementedError

    @property
    def lasting(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Vpc(Unique):
    """A router with its private network; the `eip_…` are empty without a public address.

    `vxnet_ids` are those of all vxnets that have joined it, also of foreign ones.
    """

    id: str
    name: str
    cidr: str
    status: str
    transition: str
    is_applied: bool
    security_group_id: str
    eip_id: str
    eip_address: str
    created_at: datetime
    vxnet_ids: tuple[str, ...] = ()

    @property
    def is_settled(self) -> bool:
        return self.status == "active" and not self.transition

    @property
    def is_used(self) -> bool:
        return bool(self.eip_id or self.vxnet_ids)

    @property
    def lasting(self) -> str:
        return self.cidr


@dataclass(frozen=True, slots=True)
class Vxnet(Unique):
    """A private network; `router_id` and `cidr` are empty until it has joined a router.

    `instance_ids` are those of all its machines, also of foreign ones.
    """

    id: str
    name: str
    router_id: str
    cidr: str
    created_at: datetime
    instance_ids: tuple[str, ...] = ()

    @property
    def is_used(self) -> bool:
        return bool(self.router_id)


@dataclass(frozen=True, slots=True)
class Eip(Unique):
    """A public address; `bound_to` is the id of the router, machine or load balancer using it."""

    id: str
    name: str
    address: str
    bandwidth_mbps: int
    billing: Billing
    status: str
    transition: str
    bound_to: str
    created_at: datetime

    @property
    def is_used(self) -> bool:
        return bool(self.bound_to)


@dataclass(frozen=True, slots=True)
class LoadBalancer(Unique):
    """`private_ip` is empty until the balancer is active; `eip_ids` are its public addresses."""

    id: str
    name: str
    vxnet_id: str
    private_ip: str
    status: str
    transition: str
    is_applied: bool
    security_group_id: str
    created_at: datetime
    eip_ids: tuple[str, ...] = ()
    listener_ids: tuple[str, ...] = ()

    @property
    def is_settled(self) -> bool:
        return self.status == "active" and not self.transition

    @property
    def is_used(self) -> bool:
        return bool(self.listener_ids)

    @property
    def lasting(self) -> str:
        return self.vxnet_id


@dataclass(frozen=True, slots=True)
class ListenerSpec:
    """A TCP listener. `idle_timeout` (10 to 86,400 s) cuts silent connections, watches included."""

    name: str
    port: int
    idle_timeout: int = 3600
    health_check: str = "2|5|2|2"  # seconds between checks | timeout | failures | successes


@dataclass(frozen=True, slots=True)
class Listener:
    id: str
    name: str
    loadbalancer_id: str
    port: int


@dataclass(frozen=True, slots=True)
class Backend:
    id: str
    name: str
    listener_id: str
    instance_id: str
    port: int


@dataclass(frozen=True, slots=True)
class SecurityGroup(Unique):
    """A firewall; `user_ids` are the machines, routers and load balancers that it filters."""

    id: str
    name: str
    is_applied: bool
    user_ids: tuple[str, ...] = ()
    created_at: datetime = UNKNOWN
    description: str = ""

    @property
    def is_used(self) -> bool:
        return bool(self.user_ids)


@dataclass(frozen=True, slots=True)
class RuleSpec:
    """Allow incoming traffic. ICMP has no ports (both None); `source` is a CIDR, `""` means any."""

    name: str
    protocol: str
    first_port: int | None
    last_port: int | None
    source: str
    priority: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    id: str
    group_id: str
    spec: RuleSpec


@dataclass(frozen=True, slots=True)
class PortForwardSpec:
    """A TCP port on the router's public address, sent on to a private address."""

    name: str
    public_port: int
    target: str
    target_port: int


@dataclass(frozen=True, slots=True)
class PortForward:
    id: str
    router_id: str
    spec: PortForwardSpec


@dataclass(frozen=True, slots=True)
class KeyPair(Unique):
    """`public_key` is the base64 part alone, as the cloud returns it."""

    id: str
    name: str
    public_key: str
    instance_ids: tuple[str, ...]
    created_at: datetime = UNKNOWN

    @property
    def is_used(self) -> bool:
        return bool(self.instance_ids)

    @property
    def lasting(self) -> str:
        return self.public_key


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag; `resource_ids` are the resources that it is attached to."""

    id: str
    name: str
    resource_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Instance:
    """A machine as the cloud sees it; `private_ip` is empty until it has one.

    `nic_id` is the hardware address of its card in the private network, `volume_ids` are the
    attached volumes, `disk_gib` is the size of its system disk, 0 where the cloud does not say.
    """

    id: str
    name: str
    status: InstanceStatus
    transition: str
    vxnet_id: str
    private_ip: str
    image_id: str
    type_id: str
    vcpus: int
    memory_mib: int
    security_group_id: str
    keypair_ids: tuple[str, ...]
    created_at: datetime
    nic_id: str = ""
    volume_ids: tuple[str, ...] = ()
    disk_gib: int = 0

    @property
    def is_alive(self) -> bool:
        return self.status not in (InstanceStatus.TERMINATED, InstanceStatus.CEASED)

    @property
    def is_up(self) -> bool:
        """Running, settled, and with an address."""
        return (
            self.status is InstanceStatus.RUNNING and not self.transition and bool(self.private_ip)
        )


@dataclass(frozen=True, slots=True)
class Volume:
    """A disk of its own; `instance_id` is empty while it is attached to no machine."""

    id: str
    name: str
    size_gib: int
    instance_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Nic:
    """A network card in a vxnet; `instance_id` is empty while it is attached to no machine."""

    id: str
    name: str
    vxnet_id: str
    instance_id: str


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """The request of one RunInstances. `userdata_attachment` is the id of an uploaded tar."""

    name: str
    count: int
    image_id: str
    type_id: str
    disk_gib: int
    vxnet_id: str
    keypair_id: str
    security_group_id: str
    userdata_attachment: str


@dataclass(frozen=True, slots=True)
class Launch:
    """An accepted RunInstances: the ids of its machines, and the job that creates them."""

    instance_ids: tuple[str, ...]
    job_id: str
