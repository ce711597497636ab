"""Resources of the cloud. Requested and applied settings are kept apart.

On this API a change of rules, forwards or listeners takes effect when it is applied: the fields
hold the requested settings, those named `applied…` the ones in force. Records that can be in force
(rules, forwards, listeners, backends) are replaced when they change, never changed in place.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from localcloud.parts import Userdata

PENDING = "pending"
"""The status of a resource under creation."""

GONE = frozenset({"terminated", "ceased", "deleted", "released"})
"""Statuses of resources that use no quota and cost nothing any more."""

FORGOTTEN = frozenset({"ceased", "released"})
"""Statuses shown only to requests for the id or the status."""


@dataclass(slots=True, kw_only=True)
class Resource:
    """Attributes of all kinds. Kinds without a lifecycle keep an empty `status`."""

    kind: ClassVar[str]
    id: str
    name: str = ""
    description: str = ""
    status: str = ""
    transition: str = ""
    created_at: datetime
    status_at: datetime = field(init=False)
    leased_at: datetime | None = None  # when its billing began; None before that

    def __post_init__(self) -> None:
        self.status_at = self.created_at

    @property
    def is_alive(self) -> bool:
        return self.status not in GONE

    def search_text(self) -> str:
        """Return the text that `search_word` is searched in."""
        return f"{self.id} {self.name}"

    def become(self, status: str, now: datetime) -> None:
        """Set the status and its time."""
        if status != self.status:
            self.status, self.status_at = status, now


@dataclass(slots=True, kw_only=True)
class Vxnet(Resource):
    """A private network; it has addresses only while it is joined to a router."""

    kind: ClassVar[str] = "vxnet"
    type: int  # 1 managed, 0 self-managed, 2 the basic network of the zone
    router_id: str = ""
    cidr: str = ""
    manager_ip: str = ""
    first_ip: str = ""
    last_ip: str = ""
    features: int = 0
    addresses: dict[str, str] = field(default_factory=dict)  # address -> id of its owner


@dataclass(frozen=True, slots=True)
class RouterInForce:
    """The settings of a router as of its last update."""

    eip_id: str = ""
    group_id: str = ""
    forwards: tuple["RouterStatic", ...] = ()


@dataclass(slots=True, kw_only=True)
class Router(Resource):
    """A router with its VPC."""

    kind: ClassVar[str] = "router"
    type: int
    cidr: str
    group_id: str
    eip_id: str = ""
    is_applied: bool = True
    private_ip: str = ""
    applied: RouterInForce = RouterInForce()


@dataclass(slots=True, kw_only=True)
class RouterStatic(Resource):
    """One entry of a router's configuration; type 1 is a port forward."""

    kind: ClassVar[str] = "router_static"
    router_id: str
    vxnet_id: str = ""
    type: int
    values: dict[str, str]  # val1 … val6
    is_disabled: bool = False


@dataclass(slots=True, kw_only=True)
class Eip(Resource):
    """A public address; `bound_to` is (kind, id) of its user."""

    kind: ClassVar[str] = "eip"
    address: str
    bandwidth: int  # Mbit/s
    billing_mode: str
    need_icp: int = 0
    associate_mode: int = 0
    bound_to: tuple[str, str] = ("", "")

    def search_text(self) -> str:
        return f"{self.id} {self.name} {self.address}"


@dataclass(slots=True, kw_only=True)
class Rule(Resource):
    """A rule of a security group; an empty `source` is any address."""

    kind: ClassVar[str] = "security_group_rule"
    group_id: str
    protocol: str
    priority: int
    action: str
    direction: int
    val1: str = ""
    val2: str = ""
    source: str = ""
    is_disabled: bool = False


@dataclass(slots=True, kw_only=True)
class SecurityGroup(Resource):
    kind: ClassVar[str] = "security_group"
    is_applied: bool = True
    is_default: bool = False
    version: int = 0  # counts changes, so that an apply can detect a later change
    applied_rules: tuple[Rule, ...] = ()


@dataclass(slots=True, kw_only=True)
class Attachment(Resource):
    """An uploaded userdata archive; the API has no call that deletes one."""

    kind: ClassVar[str] = "userdata_attachment"
    content: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True)
class Instance(Resource):
    """A machine. `address` is reserved at creation, and shown once it `has_lease` from DHCP."""

    kind: ClassVar[str] = "instance"
    image_id: str
    type_id: str
    vcpus: int
    memory_mib: int
    disk_gib: int
    instance_class: int
    hostname: str
    vxnet_id: str = ""
    nic_id: str = ""
    address: str = ""
    has_lease: bool = False
    group_id: str = ""
    keypair_ids: list[str] = field(default_factory=list)
    userdata: Userdata | None = None

    @property
    def private_ip(self) -> str:
        return self.address if self.has_lease else ""

    def search_text(self) -> str:
        return f"{self.id} {self.name} {self.private_ip}"


@dataclass(slots=True, kw_only=True)
class OwnImage(Resource):
    """The captured disk of an instance, with the attributes of its base image."""

    kind: ClassVar[str] = "image"
    instance_id: str
    os_family: str
    os_id: str
    os_version: str
    login_user: str
    disk_gib: int


@dataclass(slots=True, kw_only=True)
class Volume(Resource):
    """A disk that can be attached. `device` is its name in the guest."""

    kind: ClassVar[str] = "volume"
    type: int
    size_gib: int
    instance_id: str = ""
    device: str = ""


@dataclass(slots=True, kw_only=True)
class Snapshot(Resource):
    """A snapshot of a volume, with what a volume made from it is like."""

    kind: ClassVar[str] = "snapshot"
    volume_id: str
    size_gib: int
    volume_type: int
    is_full: bool = False


@dataclass(slots=True, kw_only=True)
class Nic(Resource):
    """An additional network card; its id is its MAC address. Nothing answers on its address."""

    kind: ClassVar[str] = "nic"
    vxnet_id: str
    address: str
    instance_id: str = ""


@dataclass(slots=True, kw_only=True)
class KeyPair(Resource):
    """`public_key` is the base64 part alone."""

    kind: ClassVar[str] = "keypair"
    encrypt_method: str
    public_key: str


@dataclass(slots=True, kw_only=True)
class Tag(Resource):
    kind: ClassVar[str] = "tag"
    color: str = "default"
    attached: set[tuple[str, str]] = field(default_factory=set)  # (resource type, id)
