"""Small makers of records; a test shows only the values that it is about."""

from datetime import UTC, datetime, timedelta

from domain.cloud.balancer import wanted_routes
from domain.cloud.firewall import firewall_rules, machine_rules
from domain.cloud.inventory import Inventory
from domain.cloud.network import wanted_forwards
from domain.cloud.records import (
    Backend,
    Eip,
    Image,
    Instance,
    InstanceStatus,
    KeyPair,
    Listener,
    LoadBalancer,
    PortForward,
    Rule,
    RuleSpec,
    SecurityGroup,
    Tag,
    Vpc,
    Vxnet,
)
from domain.kernel.names import MASTERS, NODES, ClusterId, Names
from domain.spec.cluster import ClusterSpec
from domain.spec.prices import Billing

CREATED = datetime(2026, 11, 1, tzinfo=UTC)

DEMO = ClusterId("demo", "demo-1a2b3c4d")


def make_instance(
    number: int = 1,
    group: str = NODES,
    vxnet_id: str = "vxnet-a",
    status: InstanceStatus = InstanceStatus.RUNNING,
    name: str = "",
) -> Instance:
    return Instance(
        id=f"i-{group}{number}",
        name=name or Names("demo").group(group),
        status=status,
        transition="",
        vxnet_id=vxnet_id,
        private_ip=f"192.168.1.{number}",
        image_id="noble1x64",
        type_id="s1.large.r2",
        vcpus=2,
        memory_mib=4096,
        security_group_id="sg-m",
        keypair_ids=("kp-a",),
        created_at=CREATED + timedelta(minutes=number),
    )


def make_image(image_id: str, name: str, status: str = "available") -> Image:
    return Image(image_id, name, name.split()[0].lower(), status, 20, "root")


def make_vpc(cidr: str = "192.168.0.0/16", eip_id: str = "eip-a", applied: bool = True) -> Vpc:
    return Vpc(
        "rtr-a",
        "k8s.demo.router",
        cidr,
        "active",
        "",
        applied,
        "sg-f",
        eip_id,
        "127.64.0.1",
        CREATED,
    )


def make_rules(group_id: str, specs: tuple[RuleSpec, ...]) -> tuple[Rule, ...]:
    return tuple(Rule(f"sgr-{group_id}-{n}", group_id, spec) for n, spec in enumerate(specs))


def make_view(spec: ClusterSpec, nodes: int = 2) -> Inventory:
    """A cluster that is exactly as the description says, but for its number of nodes."""
    master = make_instance(100, MASTERS)
    names = Names(spec.name)
    listeners = tuple(
        Listener(f"lbl-{route.listener.port}", route.listener.name, "lb-a", route.listener.port)
        for route in wanted_routes(spec.name, spec.access)
    )
    backends = tuple(
        Backend(f"lbb-{route.listener.port}", "b", listener.id, master.id, route.backend_port)
        for route, listener in zip(wanted_routes(spec.name, spec.access), listeners, strict=True)
    )
    forwards = wanted_forwards(spec.name, spec.access, "192.168.1.200", master.private_ip)
    return Inventory(
        name=spec.name,
        vpc=make_vpc(),
        vxnets=(Vxnet("vxnet-a", names.vxnet(1), "rtr-a", "192.168.1.0/24", CREATED),),
        address=Eip(
            "eip-a",
            names.address,
            "127.64.0.1",
            10,
            Billing.TRAFFIC,
            "associated",
            "",
            "rtr-a",
            CREATED,
        ),
        balancer=LoadBalancer(
            "lb-a", names.balancer, "vxnet-a", "192.168.1.200", "active", "", True, "sg-f", CREATED
        ),
        listeners=listeners,
        backends=backends,
        firewall=SecurityGroup("sg-f", names.firewall, True),
        firewall_rules=make_rules("sg-f", firewall_rules(spec)),
        machine_group=SecurityGroup("sg-m", names.machines, True),
        machine_rules=make_rules("sg-m", machine_rules(spec)),
        keypair=KeyPair("kp-a", names.keypair, "AAAA", ()),
        forwards=tuple(
            PortForward(f"rtrs-{forward.public_port}", "rtr-a", forward) for forward in forwards
        ),
        instances=(master, *(make_instance(n + 1) for n in range(nodes))),
        tag=Tag("tag-a", names.tag),
    )
