"""Routers (VPCs), their private networks, and the ports that they forward."""

from collections.abc import Sequence

from clients.qingcloud.calls import Calls
from clients.qingcloud.reply import Item
from clients.qingcloud.transport import some
from domain.cloud.records import PortForward, PortForwardSpec, Vpc, Vxnet
from domain.kernel.errors import NotFound

LIVING = ("pending", "active", "poweroffed", "suspended")
MANAGED = 1
DHCP = 1
PORT_FORWARD = 1


class VpcCalls(Calls):
    def find_vpcs(self, name: str) -> list[Vpc]:
        """Find the VPCs of exactly this name."""
        items = self._find("DescribeRouters", "router", name, status=LIVING, verbose=1)
        return [_vpc(item) for item in items]

    def search_vpcs(self, prefix: str) -> list[Vpc]:
        """Find the VPCs whose names have a prefix."""
        items = self._search("DescribeRouters", "router", prefix, status=LIVING, verbose=1)
        return [_vpc(item) for item in items]

    def read_vpcs(self, router_ids: Sequence[str]) -> list[Vpc]:
        """Read the VPCs with these ids that are not deleted."""
        items = self._read(
            "DescribeRouters", "router_set", "routers", router_ids, status=LIVING, verbose=1
        )
        return [_vpc(item) for item in items]

    def read_vpc(self, router_id: str) -> Vpc:
        """Read one VPC. Raises `NotFound` also when it is deleted but still listed."""
        if found := self.read_vpcs([router_id]):
            return found[0]
        raise NotFound(f"The VPC {router_id} does not exist, or no longer.")

    def create_vpc(self, name: str, cidr: str, security_group_id: str) -> tuple[str, str]:
        """Create a VPC. Returns: its id and the job of the creation.

        Args:
            cidr: its whole network, such as `192.168.0.0/16`; vxnets get parts of it.
            security_group_id: filters what enters from outside; `""` for the account's default.
        """
        reply = self._transport.change(
            "CreateRouters",
            {
                "router_name": name,
                "vpc_network": cidr,
                "security_group": security_group_id or None,
                "count": 1,
            },
        )
        return reply.first("routers"), reply.text("job_id")

    def bind_eip_to_router(self, router_id: str, eip_id: str) -> None:
        """Set or, with `""`, remove the router's public address; inert until an update."""
        self._transport.change("ModifyRouterAttributes", {"router": router_id, "eip": eip_id})

    def update_router(self, router_id: str) -> str:
        """Put the stored address and port forwards into effect. Returns: the job."""
        return self._start("UpdateRouters", routers=some([router_id]))

    def delete_vpc(self, router_id: str) -> str:
        """Delete the VPC, which must not have vxnets. Returns: the job."""
        return self._start("DeleteRouters", routers=some([router_id]))


class VxnetCalls(Calls):
    def find_vxnets(self, prefix: str) -> list[Vxnet]:
        """Find the private networks whose names have a prefix."""
        items = self._search("DescribeVxnets", "vxnet", prefix, verbose=1)
        return [_vxnet(item) for item in items]

    def read_vxnets(self, vxnet_ids: Sequence[str]) -> list[Vxnet]:
        """Read the private networks with these ids that exist."""
        items = self._read("DescribeVxnets", "vxnet_set", "vxnets", vxnet_ids, verbose=1)
        return [_vxnet(item) for item in items]

    def create_vxnet(self, name: str) -> str:
        """Create a private network of the kind that can join a router. Returns: its id."""
        reply = self._transport.change(
            "CreateVxnets", {"vxnet_name": name, "vxnet_type": MANAGED, "count": 1}
        )
        return reply.first("vxnets")

    def join_router(self, vxnet_id: str, router_id: str, cidr: str) -> str:
        """Join a vxnet to a router, with DHCP in `cidr` (a /24 of the VPC). Returns: the job."""
        return self._start(
            "JoinRouter", vxnet=vxnet_id, router=router_id, ip_network=cidr, features=DHCP
        )

    def leave_router(self, router_id: str, vxnet_ids: Sequence[str]) -> str:
        """Detach vxnets from their router. Returns: the job."""
        return self._start("LeaveRouter", router=router_id, vxnets=some(vxnet_ids))

    def delete_vxnets(self, vxnet_ids: Sequence[str]) -> None:
        """Delete vxnets that are empty and not joined to a router."""
        self._transport.change("DeleteVxnets", {"vxnets": some(vxnet_ids)})


class PortForwardCalls(Calls):
    def list_port_forwards(self, router_id: str) -> list[PortForward]:
        """Read the router's TCP port forwards, stored or in effect; disabled ones are left out."""
        items = self._list(
            "DescribeRouterStatics",
            "router_static_set",
            router=router_id,
            static_type=PORT_FORWARD,
        )
        return [_port_forward(item) for item in items if _is_tcp_forward(item)]

    def add_port_forwards(self, router_id: str, specs: Sequence[PortForwardSpec]) -> None:
        """Store port forwards; inert until an update of the router.

        The documents require the parameter `vxnet` on a VPC; the clients that are in use do
        without it for this kind, and so does this one.
        """
        statics = some([_static(spec) for spec in specs])
        self._transport.change("AddRouterStatics", {"router": router_id, "statics": statics})

    def delete_port_forwards(self, forward_ids: Sequence[str]) -> None:
        """Delete port forwards; they stay in effect until an update of the router."""
        self._transport.change("DeleteRouterStatics", {"router_statics": some(forward_ids)})


def _vpc(item: Item) -> Vpc:
    eip = item.optional_item("eip")
    return Vpc(
        id=item.text("router_id"),
        name=item.optional_text("router_name"),
        cidr=item.optional_text("vpc_network"),
        status=item.text("status"),
        transition=item.optional_text("transition_status"),
        is_applied=item.flag("is_applied"),
        security_group_id=item.optional_text("security_group_id"),
        eip_id=eip.optional_text("eip_id"),
        eip_address=eip.optional_text("eip_addr"),
        created_at=item.moment("create_time"),
        vxnet_ids=tuple(vxnet.text("vxnet_id") for vxnet in item.optional_items("vxnets")),
    )


def _vxnet(item: Item) -> Vxnet:
    return Vxnet(
        id=item.text("vxnet_id"),
        name=item.optional_text("vxnet_name"),
        router_id=item.optional_text("vpc_router_id"),
        cidr=item.optional_item("router").optional_text("ip_network"),
        created_at=item.moment("create_time"),
        instance_ids=item.optional_texts("instance_ids"),
    )


def _static(spec: PortForwardSpec) -> dict[str, str | int]:
    return {
        "router_static_name": spec.name,
        "static_type": PORT_FORWARD,
        "val1": spec.public_port,
        "val2": spec.target,
        "val3": spec.target_port,
        "val4": "tcp",
    }


def _is_tcp_forward(item: Item) -> bool:
    return (
        item.number("static_type") == PORT_FORWARD
        and item.optional_text("val4", "tcp") == "tcp"
        and not item.optional_flag("disabled")
    )


def _port_forward(item: Item) -> PortForward:
    return PortForward(
        id=item.text("router_static_id"),
        router_id=item.text("router_id"),
        spec=PortForwardSpec(
            name=item.optional_text("router_static_name"),
            public_port=item.number("val1"),
            target=item.text("val2"),
            target_port=item.number("val3"),
        ),
    )
