"""Listeners of load balancers; a change takes effect with UpdateLoadBalancers."""

from dataclasses import replace

from localcloud.clock import stamp
from localcloud.iaas.answers import Document, page
from localcloud.iaas.balancer_records import Backend, Listener, LoadBalancer
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter, MissingParameter, NotEmulated, PermissionDenied
from localcloud.iaas.health import read_health_check
from localcloud.iaas.lifecycle import require_settled
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.stickiness import read_stickiness
from localcloud.iaas.turns import MODES

PROTOCOLS = ("http", "https", "tcp", "ssl", "udp")
EMULATED = {  # the backend protocols of each listener protocol
    "tcp": ("tcp",),
    "http": ("http",),
    "https": ("https", "http"),
    "ssl": ("ssl", "tcp"),
    "udp": ("udp",),  # kept in the books: nothing listens
}
CERTIFICATES = "server_certificate_id"
LOW_PORTS = (25, 80, 443)
MOST_LISTENERS = 50


def listeners_of(cloud: Cloud, balancer_id: str) -> list[Listener]:
    return [
        listener
        for listener in cloud.state.listeners.values()
        if listener.loadbalancer_id == balancer_id
    ]


def backends_of(cloud: Cloud, listener_id: str) -> list[Backend]:
    backends = cloud.state.backends.values()
    return [backend for backend in backends if backend.listener_id == listener_id]


def add_loadbalancer_listeners(cloud: Cloud, parameters: Parameters) -> Document:
    balancer = cloud.state.loadbalancers.read(parameters.required_text("loadbalancer"))
    require_settled(balancer)
    added = [
        _read_listener(cloud, balancer, item) for item in parameters.required_items("listeners")
    ]
    existing = listeners_of(cloud, balancer.id)
    if len(existing) + len(added) > MOST_LISTENERS:
        raise PermissionDenied(
            f"loadbalancer [{balancer.id}] can have [{MOST_LISTENERS}] listeners at most"
        )
    ports = {listener.port for listener in existing}
    for listener in added:
        if listener.port in ports:
            raise PermissionDenied(
                f"port [{listener.port}] of loadbalancer [{balancer.id}] has a listener already"
            )
        ports.add(listener.port)
    for listener in added:
        cloud.state.listeners.add(listener)
    balancer.is_applied = False
    return {"loadbalancer_listeners": [listener.id for listener in added]}


def _read_listener(cloud: Cloud, balancer: LoadBalancer, item: Parameters) -> Listener:
    port = item.required_integer("listener_port", low=1, high=65535)
    if port < 1024 and port not in LOW_PORTS:
        raise BadParameter(f"listener_port [{port}] should be 25, 80, 443 or from 1024")
    protocol = item.choice("listener_protocol", PROTOCOLS)
    listener = Listener(
        id=cloud.new_id("lbl"),
        name=item.text("loadbalancer_listener_name"),
        created_at=cloud.now(),
        loadbalancer_id=balancer.id,
        port=port,
        protocol=protocol,
        backend_protocol=item.choice("backend_protocol", PROTOCOLS, protocol),
        balance_mode=item.choice("balance_mode", MODES, "roundrobin"),
        session_sticky=item.text("session_sticky"),
        forwardfor=item.integer("forwardfor", 0),
        health_method=item.text("healthy_check_method", "udp" if protocol == "udp" else "tcp"),
        health_option=item.text("healthy_check_option", "10|5|2|5"),
        listener_option=item.integer("listener_option", 0),
        timeout=item.integer("timeout", 50, low=10, high=86400),
        certificate_ids=_read_certificates(cloud, item),
    )
    _check(listener)
    return listener


def _read_certificates(cloud: Cloud, parameters: Parameters) -> tuple[str, ...]:
    """Return the named certificates, given as a list or as one text with commas."""
    named = parameters.texts(CERTIFICATES) or parameters.text(CERTIFICATES).split(",")
    wanted = [one.strip() for one in named if one.strip()]
    return tuple(one.id for one in cloud.state.certificates.read_all(wanted))


def _check(listener: Listener) -> None:
    """Refuse wrong settings, and what is not emulated."""
    if listener.is_tls and not listener.certificate_ids:
        raise MissingParameter(CERTIFICATES)
    if len(listener.certificate_ids) > 1:
        raise NotEmulated("several certificates of one listener")
    if listener.backend_protocol not in EMULATED[listener.protocol]:
        raise NotEmulated(f"[{listener.backend_protocol}] behind [{listener.protocol}]")
    read_stickiness(listener.session_sticky)
    read_health_check(
        listener.health_method, listener.health_option, is_udp=listener.protocol == "udp"
    )


def describe_loadbalancer_listeners(cloud: Cloud, parameters: Parameters) -> Document:
    wanted, balancer = parameters.texts("loadbalancer_listeners"), parameters.text("loadbalancer")
    verbose = parameters.flag("verbose")
    found = [
        listener
        for listener in cloud.state.listeners.values()
        if (not wanted or listener.id in wanted)
        and (not balancer or listener.loadbalancer_id == balancer)
    ]
    return page(
        parameters,
        "loadbalancer_listener_set",
        found,
        lambda listener: document(cloud, listener, verbose),
    )


def document(cloud: Cloud, listener: Listener, verbose: bool) -> Document:
    answer: Document = {
        "loadbalancer_listener_id": listener.id,
        "loadbalancer_listener_name": listener.name,
        "loadbalancer_id": listener.loadbalancer_id,
        "listener_port": listener.port,
        "listener_protocol": listener.protocol,
        "backend_protocol": listener.backend_protocol,
        "balance_mode": listener.balance_mode,
        "session_sticky": listener.session_sticky,
        "forwardfor": listener.forwardfor,
        "healthy_check_method": listener.health_method,
        "healthy_check_option": listener.health_option,
        "listener_option": listener.listener_option,
        "server_certificate_id": list(listener.certificate_ids),
        "timeout": listener.timeout,
        "scene": 0,
        "create_time": stamp(listener.created_at),
    }
    if verbose:
        answer["backends"] = [backend_document(cloud, b) for b in backends_of(cloud, listener.id)]
    return answer


def backend_document(cloud: Cloud, backend: Backend) -> Document:
    return {
        "loadbalancer_backend_id": backend.id,
        "loadbalancer_backend_name": backend.name,
        "loadbalancer_listener_id": backend.listener_id,
        "loadbalancer_id": backend.loadbalancer_id,
        "loadbalancer_policy_id": backend.policy_id,
        "resource_id": backend.resource_id,
        "port": backend.port,
        "weight": backend.weight,
        "disabled": int(backend.is_disabled),
        "status": "up" if cloud.balancers.is_up(backend) else "down",
        "create_time": stamp(backend.created_at),
    }


def modify_loadbalancer_listener_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    old = cloud.state.listeners.read(parameters.required_text("loadbalancer_listener"))
    balancer = cloud.state.loadbalancers.read(old.loadbalancer_id)
    require_settled(balancer)
    names_certificates = any(parameters.given(name) for name in (CERTIFICATES, f"{CERTIFICATES}.1"))
    new = replace(
        old,
        name=parameters.text("loadbalancer_listener_name", old.name),
        balance_mode=parameters.choice("balance_mode", MODES, old.balance_mode),
        session_sticky=(
            parameters.text("session_sticky")
            if parameters.given("session_sticky")
            else old.session_sticky
        ),
        forwardfor=parameters.integer("forwardfor", old.forwardfor),
        health_method=parameters.text("healthy_check_method", old.health_method),
        health_option=parameters.text("healthy_check_option", old.health_option),
        listener_option=parameters.integer("listener_option", old.listener_option),
        timeout=parameters.integer("timeout", old.timeout, low=10, high=86400),
        certificate_ids=(
            _read_certificates(cloud, parameters) if names_certificates else old.certificate_ids
        ),
    )
    _check(new)
    cloud.state.listeners[old.id] = new
    balancer.is_applied = False
    return {"loadbalancer_listener_id": old.id}


def delete_loadbalancer_listeners(cloud: Cloud, parameters: Parameters) -> Document:
    """Delete listeners with their backends; those in force serve until UpdateLoadBalancers."""
    found = cloud.state.listeners.read_all(parameters.required_texts("loadbalancer_listeners"))
    balancers = [cloud.state.loadbalancers.read(listener.loadbalancer_id) for listener in found]
    for balancer in balancers:
        require_settled(balancer)
    for balancer, listener in zip(balancers, found, strict=True):
        forget(cloud, listener)
        balancer.is_applied = False
    return {"loadbalancer_listeners": [listener.id for listener in found]}


def forget(cloud: Cloud, listener: Listener) -> None:
    for backend in backends_of(cloud, listener.id):
        del cloud.state.backends[backend.id]
    del cloud.state.listeners[listener.id]


ACTIONS = {
    "AddLoadBalancerListeners": add_loadbalancer_listeners,
    "DescribeLoadBalancerListeners": describe_loadbalancer_listeners,
    "ModifyLoadBalancerListenerAttributes": modify_loadbalancer_listener_attributes,
    "DeleteLoadBalancerListeners": delete_loadbalancer_listeners,
}
