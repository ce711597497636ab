"""Load balancers, and what belongs to them: listeners, backends, policies, certificates."""

from dataclasses import dataclass, field
from typing import ClassVar

from localcloud.iaas.records import Resource


@dataclass(slots=True, kw_only=True)
class Backend(Resource):
    kind: ClassVar[str] = "backend"
    listener_id: str
    loadbalancer_id: str
    resource_id: str
    port: int
    weight: int = 1
    policy_id: str = ""  # of an HTTP listener: only requests that match it come here
    is_disabled: bool = False


@dataclass(slots=True, kw_only=True)
class Listener(Resource):
    kind: ClassVar[str] = "listener"
    loadbalancer_id: str
    port: int
    protocol: str
    backend_protocol: str
    balance_mode: str
    session_sticky: str
    forwardfor: int
    health_method: str
    health_option: str
    listener_option: int
    timeout: int  # idle seconds after which a connection is closed
    certificate_ids: tuple[str, ...] = ()

    @property
    def is_http(self) -> bool:
        """Return whether it parses what it forwards as HTTP requests."""
        return self.protocol in ("http", "https")

    @property
    def is_udp(self) -> bool:
        """Return whether it is only kept in the books: machines here have no UDP."""
        return self.protocol == "udp"

    @property
    def is_tls(self) -> bool:
        """Return whether it terminates TLS of its clients."""
        return self.protocol in ("https", "ssl")


@dataclass(slots=True, kw_only=True)
class ServerCertificate(Resource):
    """A certificate and its private key, both as PEM."""

    kind: ClassVar[str] = "server_certificate"
    content: str
    private_key: str = field(repr=False)


@dataclass(slots=True, kw_only=True)
class PolicyRule(Resource):
    """Matches requests by a regular expression, searched in their domain or URL."""

    kind: ClassVar[str] = "loadbalancer_policy_rule"
    policy_id: str
    type: str  # domain or url
    val: str


@dataclass(frozen=True, slots=True)
class PolicyInForce:
    """A policy as it was last applied."""

    operator: str
    rules: tuple[PolicyRule, ...] = ()


@dataclass(slots=True, kw_only=True)
class Policy(Resource):
    """Selects the requests for the backends that use it; `operator` joins its rules."""

    kind: ClassVar[str] = "loadbalancer_policy"
    operator: str
    is_applied: bool = True
    version: int = 0  # counts changes, so that an apply can detect a later change
    applied: PolicyInForce


@dataclass(frozen=True, slots=True)
class ListenerInForce:
    """A listener and its backends as of the balancer's last update."""

    listener: Listener
    backends: tuple[Backend, ...]


@dataclass(frozen=True, slots=True)
class BalancerInForce:
    group_id: str = ""
    listeners: tuple[ListenerInForce, ...] = ()


@dataclass(slots=True, kw_only=True)
class LoadBalancer(Resource):
    """A load balancer. `address` is reserved at once and shown when it is active.

    `wanted_address`, reserved likewise, replaces it with the next update; empty for none.
    """

    kind: ClassVar[str] = "loadbalancer"
    type: int
    vxnet_id: str
    address: str
    wanted_address: str = ""
    group_id: str
    is_applied: bool = True
    http_header_size: int = 15
    node_count: int = 1
    applied: BalancerInForce = BalancerInForce()

    def search_text(self) -> str:
        return f"{self.id} {self.name} {self.address}"
