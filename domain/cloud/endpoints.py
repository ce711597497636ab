"""The addresses and ports of a cluster, from outside and for its own nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from domain.cloud.inventory import Inventory, id_of
from domain.cloud.network import is_our_forward
from domain.kernel.errors import NotFound
from domain.spec.network import Access


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses and ports of one cluster; empty or 0 where nothing is published yet.

    Attributes:
        balancer_ip: the address of the API for the nodes, inside the VPC.
        jump_host: id of the master through which SSH reaches the other machines.
        users: the login user of each group's image; root where none is named.
    """

    public_address: str = ""
    balancer_ip: str = ""
    api_port: int = 0
    ui_port: int = 0
    ssh_port: int = 0
    jump_host: str = ""
    users: Mapping[str, str] = field(default_factory=dict)

    @property
    def api_url(self) -> str:
        return self._url(self.api_port)

    @property
    def ui_url(self) -> str:
        return self._url(self.ui_port)

    def user(self, group: str) -> str:
        return self.users.get(group, "root")

    def _url(self, port: int) -> str:
        return f"https://{self.public_address}:{port}" if self.public_address and port else ""


def endpoints_of(inventory: Inventory) -> Endpoints:
    """Derive the endpoints of a cluster from its port forwards and addresses."""
    ports = {
        forward.spec.name.rpartition(".")[2]: forward.spec.public_port
        for forward in inventory.forwards
        if is_our_forward(inventory.name, forward.spec)
    }
    return Endpoints(
        public_address=inventory.public_address,
        balancer_ip=inventory.balancer.private_ip if inventory.balancer else "",
        api_port=ports.get("api", 0),
        ui_port=ports.get("ui", 0),
        ssh_port=ports.get("ssh", 0),
        jump_host=id_of(inventory.jump_host) or "",
    )


def planned_endpoints(
    access: Access, public_address: str, balancer_ip: str, jump_host: str
) -> Endpoints:
    """The endpoints of a cluster whose ports have just been published."""
    return Endpoints(
        public_address=public_address,
        balancer_ip=balancer_ip,
        api_port=access.api_port,
        ui_port=access.ui_port,
        ssh_port=access.ssh_port,
        jump_host=jump_host,
    )


def check_finished(name: str, endpoints: Endpoints) -> None:
    """Refuse a cluster whose machines cannot be reached. Raises `NotFound`."""
    finish = f"finish it with: python -m flows.provision --name {name}"
    if not endpoints.jump_host:
        raise NotFound(f"cluster {name} has no master; {finish}")
    if not (endpoints.balancer_ip and endpoints.public_address):
        raise NotFound(f"cluster {name} has no load balancer or no public address; {finish}")
