"""The description of one wanted cluster, and every check that needs no cloud."""

import re
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, ValidationError, WithJsonSchema, model_validator

from domain.kernel.errors import InvalidSpec
from domain.kernel.names import MASTERS, NODES
from domain.spec.alarms import AlarmRule, distinct, find_unmeasured
from domain.spec.documents import describe_invalid
from domain.spec.monitoring import Monitoring
from domain.spec.notifications import Notifications
from domain.spec.part import ListOfOne, Part, Whole
from domain.spec.presets import STORED, PolicyOverPreset, UnreadPolicy
from domain.spec.prices import Billing, Prices

DAEMON_PODS = 2
"""kube-proxy and flannel run on every node, beside the workload."""

MACHINES_PER_VXNET = 250
"""A /24 has 253 addresses behind its gateway; a few are kept for the load balancer and for NICs."""

VPC_NETWORKS = tuple(IPv4Network(f"{net}.0.0/16") for net in ("192.168", "172.16"))
"""The networks that CreateRouters accepts by its documentation."""

EXISTING_NETWORKS = (VPC_NETWORKS[0], *(IPv4Network(f"172.{net}.0.0/16") for net in range(16, 32)))
"""The networks that the VPCs have which other tools have created."""


def _network(text: str) -> str:
    try:
        return str(IPv4Network(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a network such as 192.168.0.0/16: {error}") from None


def _each_once(ids: tuple[str, ...]) -> tuple[str, ...]:
    if twice := {one for one in ids if ids.count(one) > 1}:
        raise ValueError(f"{min(twice)} is named twice")
    return ids


def _id(kind: str) -> str:
    """The pattern of an id of the cloud, or of none."""
    return rf"^({kind}-[a-z0-9]+)?$"


# The Prefect server checks what its form is given by the schema alone, before a run starts.
_CIDR_SCHEMA = {"type": "string", "pattern": r"^[0-9]{1,3}([.][0-9]{1,3}){3}(/[0-9.]+)?$"}
Cidr = Annotated[str, AfterValidator(_network), WithJsonSchema(_CIDR_SCHEMA)]
Port = Annotated[Whole, Field(ge=1024, le=65535)]


# The installers have the same rules (`check_mirror_words`); here they are applied before a machine
# is paid for.
_HOST = r"[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?(:[0-9]+)?"
_URL = rf"https?://{_HOST}(/[a-zA-Z0-9._~%+:/-]*)?"
_JUMP = r"([a-zA-Z0-9_][a-zA-Z0-9._-]*@)?[a-zA-Z0-9][a-zA-Z0-9._-]*(:[0-9]+)?"
_MIRROR = f"aliyun|tuna|upstream|{_URL}"
_REPOSITORY = rf"{_HOST}(/[a-z0-9._-]+)*"


def _pull_mirrors(mirrors: dict[str, str]) -> dict[str, str]:
    for registry, url in mirrors.items():
        if not (re.fullmatch(_HOST, registry) and re.fullmatch(_URL, url)):
            raise ValueError(
                f"{registry}: {url} is not a registry with the URL of its mirror, such as "
                "docker.io: https://docker.m.daocloud.io"
            )
    return mirrors


class MachineTemplate(Part):
    """The image, type and disk from which the machines of a group are created."""

    image: str = Field(
        "ubuntu 24.04",
        min_length=2,
        description="An image id, or words of an image's name, such as `ubuntu 24.04`",
    )
    instance_type: str = Field(
        "s1.large.r2", description="kubeadm wants at least 2 vCPUs and 2 GiB for a master"
    )
    disk_gib: Whole = Field(40, ge=20, le=100, description="Size of the system disk, GiB")


class Masters(Part):
    """The group `k8s-master`: the machines that run the control plane."""

    count: Whole = Field(1, ge=1, le=1, description="One master for now")
    template: MachineTemplate = MachineTemplate()


class Nodes(Part):
    """The group `k8s-node`: the machines that run the workload."""

    count: Whole = Field(2, ge=0, le=5000, description="Number of machines; never lowered here")
    minimum: Whole = Field(0, ge=0, description="Scaling never goes below")
    maximum: Whole = Field(10, ge=1, le=5000, description="Scaling never goes above")
    template: MachineTemplate = MachineTemplate()

    @model_validator(mode="after")
    def _bounds(self) -> Self:
        if self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        if not self.minimum <= self.count <= self.maximum:
            raise ValueError(
                f"count {self.count} is outside {self.minimum} to {self.maximum}; "
                "change count, minimum or maximum"
            )
        return self


class Network(Part):
    """The address plan, whose four ranges must not overlap; and an existing VPC, if it is used."""

    vpc: str = Field(
        "", pattern=_id("rtr"), description="Use this existing VPC; it is never deleted"
    )
    vxnets: Annotated[
        tuple[Annotated[str, Field(pattern=r"^vxnet-[a-z0-9]+$")], ...],
        ListOfOne,
        AfterValidator(_each_once),
    ] = Field((), description="Use these existing vxnets of that VPC, in turn; else new ones")
    vpc_cidr: Cidr = Field("192.168.0.0/16", description="Network of the VPC, a /16")
    first_vxnet: Cidr = Field("192.168.1.0/24", description="More vxnets follow as nodes do")
    pod_cidr: Cidr = Field("10.244.0.0/16", description="Addresses of pods")
    service_cidr: Cidr = Field("10.96.0.0/16", description="Addresses of Services")

    @model_validator(mode="after")
    def _plan(self) -> Self:
        vpc, vxnet = IPv4Network(self.vpc_cidr), IPv4Network(self.first_vxnet)
        if self.vxnets and not self.vpc:
            raise ValueError("vxnets names existing networks, so vpc must name their VPC")
        if vpc not in (EXISTING_NETWORKS if self.vpc else VPC_NETWORKS):
            allowed = " or ".join(map(str, VPC_NETWORKS))
            raise ValueError(f"vpc_cidr {vpc} is not one that QingCloud accepts: {allowed}")
        if not self.vxnets and (vxnet.prefixlen != 24 or not vxnet.subnet_of(vpc)):
            raise ValueError(f"first_vxnet {vxnet} must be a /24 inside {vpc}")
        ranges = {"vpc_cidr": vpc} | {
            name: IPv4Network(getattr(self, name)) for name in ("pod_cidr", "service_cidr")
        }
        names = list(ranges)
        for i, one in enumerate(names):
            for other in names[i + 1 :]:
                if ranges[one].overlaps(ranges[other]):
                    raise ValueError(
                        f"{one} {ranges[one]} overlaps {other} {ranges[other]}; "
                        "choose ranges that share no address"
                    )
        if ranges["service_cidr"].prefixlen > 24:
            raise ValueError(f"service_cidr {self.service_cidr} is too small; use a /24 or larger")
        return self

    def vxnet_cidr(self, number: int) -> str:
        """The /24 of the vxnet with this number, counted from 1; wraps inside the VPC's /16."""
        vpc, first = IPv4Network(self.vpc_cidr), IPv4Network(self.first_vxnet)
        third = (first.network_address.packed[2] + number - 1) % 256
        return str(IPv4Network((int(vpc.network_address) + (third << 8), 24)))


class Access(Part):
    """Which sources may reach the cluster from outside, and the ports of its public address."""

    api_port: Port = Field(8080, description="The article's number; TLS all the same")
    ui_port: Port = Field(8443, description="Port of the web UI")
    ssh_port: Port = Field(10022, description="Port of SSH to a master, the jump host")
    allowed_cidrs: Annotated[tuple[Cidr, ...], ListOfOne] = Field(
        (), description="Sources for API, UI and SSH; must be given on an account that bills"
    )

    jump: str = Field(
        "",
        pattern=rf"^({_JUMP}(,{_JUMP})*)?$",
        description="Bastion before the master, such as me@bastion.example:22, or a name in your "
        "ssh config; your own ssh logs in to it",
    )
    keypair: str = Field(
        "",
        pattern=_id("kp"),
        description="Existing key pair whose owner may log in to new machines as well",
    )

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        # 6443 is the load balancer's listener for the nodes.
        taken = {6443: "the nodes' own listener"}
        for name in ("api_port", "ui_port", "ssh_port"):
            port = getattr(self, name)
            if port in taken:
                raise ValueError(f"{name} {port} is taken by {taken[port]}; choose another port")
            taken[port] = name
        return self


class PublicAddress(Part):
    """The address on the router, and how it is paid for."""

    eip: str = Field(
        "", pattern=_id("eip"), description="Use this existing address; it is never released"
    )
    bandwidth_mbps: Whole = Field(10, ge=1, le=1000, description="Bandwidth, Mbit/s")
    billing: Billing = Field(Billing.TRAFFIC, description="What its price depends on")


class Kubernetes(Part):
    """Versions, places for pods, and the mirrors from which the machines install."""

    version: str = Field(
        "1.36.4",
        pattern=r"^1\.(35|36|37)\.[0-9]+$",
        description="Version of Kubernetes, 1.35 to 1.37",
    )
    pods_per_node: Whole = Field(40, ge=1, le=250, description="Workload pods; daemons come on top")
    image_repository: str = Field(
        "registry.aliyuncs.com/google_containers registry.k8s.io",
        pattern=rf"^{_REPOSITORY}( +{_REPOSITORY})*$",
        description="Registries with the paths of Kubernetes' own images, tried in turn; all "
        "machines name the images as in the first one",
    )
    package_mirror: str = Field(
        "aliyun tuna upstream",
        pattern=rf"^({_MIRROR})( +({_MIRROR}))*$",
        description="aliyun, tuna, upstream or URLs, tried in turn",
    )
    pull_mirrors: Annotated[dict[str, str], AfterValidator(_pull_mirrors)] = Field(
        default={
            "docker.io": "https://docker.m.daocloud.io",
            "ghcr.io": "https://ghcr.m.daocloud.io",
            "quay.io": "https://quay.m.daocloud.io",
            "registry.k8s.io": "https://k8s.m.daocloud.io",
        },
        description="Registry to mirror",
    )

    @property
    def max_pods(self) -> int:
        """kubelet's limit: the places for workload pods, and those of the daemons."""
        return self.pods_per_node + DAEMON_PODS


NAME = r"^[a-z]([a-z0-9-]{0,12}[a-z0-9])?$"
"""Tags on QingCloud hold at most 14 characters."""

ClusterName = Annotated[str, WithJsonSchema({"type": "string", "pattern": NAME})]
"""The name of a cluster as a parameter of a flow."""

GroupName = Annotated[str, WithJsonSchema({"type": "string", "enum": [NODES]})]
"""A group that can be scaled, as a parameter of a flow."""


class ClusterSpec(Part):
    """One wanted cluster; a form in the Prefect UI, a YAML file, or flags."""

    name: str = Field(
        "demo",
        pattern=NAME,
        description="Lower-case letters, digits and dashes, at most 14, starting with a letter",
    )
    masters: Masters = Masters()
    nodes: Nodes = Nodes()
    network: Network = Network()
    access: Access = Access()
    address: PublicAddress = PublicAddress()
    kubernetes: Kubernetes = Kubernetes()
    monitoring: Monitoring = Monitoring()
    alarms: Annotated[tuple[AlarmRule, ...], AfterValidator(distinct)] = Field(
        (),
        max_length=100,
        description="Rules beside the built-in ones; one of the same name replaces it",
    )
    notifications: Notifications = Notifications()
    prices: Prices = Prices()
    scaling: PolicyOverPreset | None = Field(
        None,
        description="When the nodes grow and shrink; `preset` names a ready policy to begin with",
    )

    @model_validator(mode="after")
    def _alarms_have_metrics(self) -> Self:
        if rule := find_unmeasured(self.alarms, {one.name for one in self.monitoring.custom}):
            raise ValueError(
                f"alarms: rule {rule.name} is about {rule.metric}, which nothing measures; "
                "add a custom monitor of that name, or correct it"
            )
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        largest = self.masters.count + self.nodes.maximum
        vxnets = self.vxnets_for(largest)
        if vxnets > 255:
            raise ValueError(f"nodes.maximum {self.nodes.maximum} needs {vxnets} vxnets of a /16")
        if 0 < len(self.network.vxnets) < vxnets:
            raise ValueError(
                f"nodes.maximum {self.nodes.maximum} needs {vxnets} vxnets, and network.vxnets "
                f"names {len(self.network.vxnets)}; name more, or lower nodes.maximum"
            )
        pods = IPv4Network(self.network.pod_cidr)
        if (
            self.node_cidr_mask <= pods.prefixlen
            or 2 ** (self.node_cidr_mask - pods.prefixlen) < largest
        ):
            raise ValueError(
                f"pod_cidr {pods} has no room for {largest} machines with "
                f"{self.kubernetes.max_pods} pods each; "
                "use a larger range or a smaller nodes.maximum"
            )
        return self

    @property
    def given(self) -> dict[str, Any]:
        """The values that were given, without defaults; the caller lays them over stored values."""
        return self.model_dump(mode="json", exclude_unset=True)

    @staticmethod
    def vxnets_for(machines: int) -> int:
        return max(1, -(-machines // MACHINES_PER_VXNET))

    @property
    def node_cidr_mask(self) -> int:
        """The share of the pod network that each node gets, as a prefix length.

        A /24 where it fits. A smaller share leaves twice as many addresses as pods, because an
        address is not free again in the same second as its pod.
        """
        pods = IPv4Network(self.network.pod_cidr)
        largest = self.masters.count + self.nodes.maximum
        smallest_share = 32 - (2 * self.kubernetes.max_pods + 2 - 1).bit_length()
        needed = pods.prefixlen + max(1, (largest - 1).bit_length())
        return min(max(24, needed), smallest_share)

    def template(self, group: str) -> MachineTemplate:
        return {MASTERS: self.masters.template, NODES: self.nodes.template}[group]

    def count(self, group: str) -> int:
        return {MASTERS: self.masters.count, NODES: self.nodes.count}[group]

    def with_nodes(self, count: int) -> "ClusterSpec":
        """The same cluster with another number of nodes, checked against the group's bounds."""
        return changed(self, {"nodes": {"count": count}})


def parse_spec(document: Mapping[str, Any], *, stored: bool = False) -> ClusterSpec:
    """Check a document against the description of a cluster.

    Args:
        stored: keep an invalid scaling policy as an `UnreadPolicy`, so that nothing else stops.

    Raises:
        InvalidSpec: names the first invalid field, the reason, and valid values.
    """
    try:
        return ClusterSpec.model_validate(document, context=STORED if stored else None)
    except ValidationError as error:
        raise InvalidSpec(describe_invalid(error, ClusterSpec, _ADVICE)) from error


def changed(spec: ClusterSpec, changes: Mapping[str, Any]) -> ClusterSpec:
    """Lay changes, nested as in the YAML file, over a description, and check the whole again."""
    kept = isinstance(spec.scaling, UnreadPolicy) and "scaling" not in changes
    return parse_spec(overlay(spec.model_dump(mode="json"), changes), stored=kept)


def overlay(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two nested documents; the second one wins, lists are replaced.

    A part of the second document that names a preset replaces the part of the first one, too.
    """
    merged = dict(document)
    for key, value in changes.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping) and "preset" not in value:
            merged[key] = overlay(below, value)
        else:
            merged[key] = value
    return merged


_ADVICE: dict[str, str] = {
    "network.vpc": "use the id of a router, such as rtr-1a2b3c4d",
    "network.vxnets": "use ids of vxnets, such as [vxnet-1a2b3c4d]",
    "address.eip": "use the id of a public address, such as eip-1a2b3c4d",
    "access.jump": "use [user@]host[:port], as ssh -J takes it",
    "access.keypair": "use the id of a key pair, such as kp-1a2b3c4d",
    "name": "use lower-case letters, digits and dashes, at most 14 characters, "
    "starting with a letter",
    "kubernetes.version": "use a full version of 1.35, 1.36 or 1.37, such as 1.36.4",
    "kubernetes.image_repository": "use registries with their paths, with a space between "
    "two, such as registry.k8s.io",
    "kubernetes.package_mirror": "use aliyun, tuna, upstream or URLs, with a space between two",
}
