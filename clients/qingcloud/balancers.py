"""Load balancers inside a VPC, their listeners and backends."""

from collections.abc import Sequence

from clients.qingcloud.calls import Calls
from clients.qingcloud.reply import Item
from clients.qingcloud.transport import some
from domain.cloud.records import Backend, Listener, ListenerSpec, LoadBalancer

LIVING = ("pending", "active", "stopped", "suspended")
SMALLEST = 0
"""The type for 5,000 connections."""


class BalancerCalls(Calls):
    def find_loadbalancers(self, name: str) -> list[LoadBalancer]:
        """Find the load balancers of exactly this name."""
        items = self._find("DescribeLoadBalancers", "loadbalancer", name, status=LIVING, verbose=1)
        return [_loadbalancer(item) for item in items]

    def list_loadbalancers(self) -> list[LoadBalancer]:
        """Read all load balancers of the account in the zone."""
        items = self._list("DescribeLoadBalancers", "loadbalancer_set", status=LIVING)
        return [_loadbalancer(item) for item in items]

    def create_loadbalancer(
        self, name: str, vxnet_id: str, security_group_id: str
    ) -> tuple[str, str]:
        """Create one with a private address. Returns: its id and the job of the creation.

        Args:
            vxnet_id: a vxnet that has joined a router.
            security_group_id: `""` for none.
        """
        reply = self._transport.change(
            "CreateLoadBalancer",
            {
                "loadbalancer_name": name,
                "loadbalancer_type": SMALLEST,
                "vxnet": vxnet_id,
                "security_group": security_group_id or None,
            },
        )
        return reply.text("loadbalancer_id"), reply.text("job_id")

    def update_loadbalancer(self, loadbalancer_id: str) -> str:
        """Put the stored listeners and backends into effect. Returns: the job."""
        return self._start("UpdateLoadBalancers", loadbalancers=some([loadbalancer_id]))

    def delete_loadbalancers(self, loadbalancer_ids: Sequence[str]) -> str:
        """Delete load balancers with listeners and backends. Returns: the job."""
        return self._start("DeleteLoadBalancers", loadbalancers=some(loadbalancer_ids))


class ListenerCalls(Calls):
    def list_listeners(self, loadbalancer_id: str) -> list[Listener]:
        """Read the listeners, stored or in effect."""
        items = self._list(
            "DescribeLoadBalancerListeners",
            "loadbalancer_listener_set",
            loadbalancer=loadbalancer_id,
        )
        return [_listener(item) for item in items]

    def add_listeners(self, loadbalancer_id: str, specs: Sequence[ListenerSpec]) -> None:
        """Store TCP listeners; inert until an update of the load balancer."""
        listeners = some([_listener_params(spec) for spec in specs])
        self._transport.change(
            "AddLoadBalancerListeners", {"loadbalancer": loadbalancer_id, "listeners": listeners}
        )

    def delete_listeners(self, listener_ids: Sequence[str]) -> None:
        """Delete listeners with their backends; in effect until an update of the load balancer."""
        self._transport.change(
            "DeleteLoadBalancerListeners", {"loadbalancer_listeners": some(listener_ids)}
        )

    def list_backends(self, loadbalancer_id: str) -> list[Backend]:
        """Read the backends of all listeners, stored or in effect."""
        items = self._list(
            "DescribeLoadBalancerBackends", "loadbalancer_backend_set", loadbalancer=loadbalancer_id
        )
        return [_backend(item) for item in items]

    def add_backend(self, listener_id: str, name: str, instance_id: str, port: int) -> None:
        """Store a backend; inert until an update of the load balancer."""
        backend: dict[str, str | int] = {
            "loadbalancer_backend_name": name,
            "resource_id": instance_id,
            "port": port,
            "weight": 1,  # the documents require it
        }
        self._transport.change(
            "AddLoadBalancerBackends",
            {"loadbalancer_listener": listener_id, "backends": [backend]},
        )

    def delete_backends(self, backend_ids: Sequence[str]) -> None:
        """Delete backends; they stay in effect until an update of the load balancer."""
        self._transport.change(
            "DeleteLoadBalancerBackends", {"loadbalancer_backends": some(backend_ids)}
        )


def _loadbalancer(item: Item) -> LoadBalancer:
    addresses = item.optional_texts("private_ips")
    return LoadBalancer(
        id=item.text("loadbalancer_id"),
        name=item.optional_text("loadbalancer_name"),
        vxnet_id=item.optional_text("vxnet_id"),
        private_ip=addresses[0] if addresses else "",
        status=item.text("status"),
        transition=item.optional_text("transition_status"),
        is_applied=item.flag("is_applied"),
        security_group_id=item.optional_text("security_group_id"),
        created_at=item.moment("create_time"),
        listener_ids=tuple(
            listener.text("loadbalancer_listener_id")
            for listener in item.optional_items("listeners")
        ),
        eip_ids=tuple(eip.text("eip_id") for eip in _eips(item)),
    )


def _eips(item: Item) -> list[Item]:
    """The public addresses; those of a balancer in the basic network are under `cluster`."""
    return item.optional_items("eips") + item.optional_items("cluster")


def _listener(item: Item) -> Listener:
    return Listener(
        id=item.text("loadbalancer_listener_id"),
        name=item.optional_text("loadbalancer_listener_name"),
        loadbalancer_id=item.text("loadbalancer_id"),
        port=item.number("listener_port"),
    )


def _listener_params(spec: ListenerSpec) -> dict[str, str | int]:
    return {
        "loadbalancer_listener_name": spec.name,
        "listener_port": spec.port,
        "listener_protocol": "tcp",
        "backend_protocol": "tcp",
        "balance_mode": "roundrobin",
        "healthy_check_method": "tcp",
        "healthy_check_option": spec.health_check,
        # The documents name both, and not which of them closes an idle TCP connection.
        "timeout": spec.idle_timeout,
        "tunnel_timeout": spec.idle_timeout,
    }


def _backend(item: Item) -> Backend:
    return Backend(
        id=item.text("loadbalancer_backend_id"),
        name=item.optional_text("loadbalancer_backend_name"),
        listener_id=item.text("loadbalancer_listener_id"),
        instance_id=item.text("resource_id"),
        port=item.number("port"),
    )
