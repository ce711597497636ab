"""The network of a cluster: its address plan, access from outside, the public address."""

from ipaddress import IPv4Network
from typing import Annotated, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from domain.spec.part import ListOfOne, Part, Whole
from domain.spec.prices import Billing

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

_JUMP = r"([a-zA-Z0-9_][a-zA-Z0-9._-]*@)?[a-zA-Z0-9][a-zA-Z0-9._-]*(:[0-9]+)?"


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
