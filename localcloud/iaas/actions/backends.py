"""Backends of listeners; a change takes effect with UpdateLoadBalancers."""

from dataclasses import replace

from localcloud.iaas.actions.listeners import backend_document, backends_of
from localcloud.iaas.answers import Document, page
from localcloud.iaas.balancer_records import Backend, Listener, LoadBalancer
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import PermissionDenied
from localcloud.iaas.lifecycle import require_settled
from localcloud.iaas.parameters import Parameters

MOST_OF_LISTENER, MOST_OF_BALANCER = 100, 200


def add_loadbalancer_backends(cloud: Cloud, parameters: Parameters) -> Document:
    listener = cloud.state.listeners.read(parameters.required_text("loadbalancer_listener"))
    balancer = cloud.state.loadbalancers.read(listener.loadbalancer_id)
    require_settled(balancer)
    items = parameters.required_items("backends")
    added = [_read_backend(cloud, listener, item) for item in items]
    _require_room(cloud, listener, balancer, len(added))
    places = {(b.resource_id, b.port) for b in backends_of(cloud, listener.id)}
    for backend in added:
        if (backend.resource_id, backend.port) in places:
            raise PermissionDenied(
                f"[{backend.resource_id}] port [{backend.port}] is already a backend of "
                f"listener [{listener.id}]"
            )
        places.add((backend.resource_id, backend.port))
    for backend in added:
        cloud.state.backends.add(backend)
    balancer.is_applied = False
    return {"loadbalancer_backends": [backend.id for backend in added]}


def _read_backend(cloud: Cloud, listener: Listener, item: Parameters) -> Backend:
    return Backend(
        id=cloud.new_id("lbb"),
        name=item.text("loadbalancer_backend_name"),
        created_at=cloud.now(),
        listener_id=listener.id,
        loadbalancer_id=listener.loadbalancer_id,
        resource_id=cloud.state.instances.read(item.required_text("resource_id")).id,
        port=item.required_integer("port", low=1, high=65535),
        weight=item.integer("weight", 1, low=1, high=100),
        policy_id=_read_policy(cloud, listener, item.text("loadbalancer_policy_id")),
    )


def _read_policy(cloud: Cloud, listener: Listener, policy_id: str) -> str:
    """Return the id of the policy requested for a backend, or an empty text."""
    if not policy_id:
        return ""
    if not listener.is_http:
        raise PermissionDenied(
            f"listener [{listener.id}] forwards [{listener.protocol}], can not have a policy"
        )
    return cloud.state.policies.read(policy_id).id


def _require_room(cloud: Cloud, listener: Listener, balancer: LoadBalancer, wanted: int) -> None:
    of_listener = len(backends_of(cloud, listener.id))
    of_balancer = [b for b in cloud.state.backends.values() if b.loadbalancer_id == balancer.id]
    if of_listener + wanted > MOST_OF_LISTENER or len(of_balancer) + wanted > MOST_OF_BALANCER:
        raise PermissionDenied(
            f"a listener can have [{MOST_OF_LISTENER}] backends at most, "
            f"a loadbalancer [{MOST_OF_BALANCER}]"
        )


def describe_loadbalancer_backends(cloud: Cloud, parameters: Parameters) -> Document:
    wanted = parameters.texts("loadbalancer_backends")
    balancer = parameters.text("loadbalancer")
    listener = parameters.text("loadbalancer_listener")
    found = [
        backend
        for backend in cloud.state.backends.values()
        if (not wanted or backend.id in wanted)
        and (not balancer or backend.loadbalancer_id == balancer)
        and (not listener or backend.listener_id == listener)
    ]
    return page(
        parameters,
        "loadbalancer_backend_set",
        found,
        lambda backend: backend_document(cloud, backend),
    )


def modify_loadbalancer_backend_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    old = cloud.state.backends.read(parameters.required_text("loadbalancer_backend"))
    balancer = cloud.state.loadbalancers.read(old.loadbalancer_id)
    require_settled(balancer)
    listener = cloud.state.listeners.read(old.listener_id)
    policy_id = old.policy_id
    if parameters.given("loadbalancer_policy_id"):
        policy_id = _read_policy(cloud, listener, parameters.text("loadbalancer_policy_id"))
    cloud.state.backends[old.id] = replace(
        old,
        name=parameters.text("loadbalancer_backend_name", old.name),
        port=parameters.integer("port", old.port, low=1, high=65535),
        weight=parameters.integer("weight", old.weight, low=1, high=100),
        policy_id=policy_id,
        is_disabled=parameters.flag("disabled", old.is_disabled),
    )
    balancer.is_applied = False
    return {"loadbalancer_backend_id": old.id}


def delete_loadbalancer_backends(cloud: Cloud, parameters: Parameters) -> Document:
    found = cloud.state.backends.read_all(parameters.required_texts("loadbalancer_backends"))
    balancers = [cloud.state.loadbalancers.read(backend.loadbalancer_id) for backend in found]
    for balancer in balancers:
        require_settled(balancer)
    for balancer, backend in zip(balancers, found, strict=True):
        del cloud.state.backends[backend.id]
        balancer.is_applied = False
    return {"loadbalancer_backends": [backend.id for backend in found]}


ACTIONS = {
    "AddLoadBalancerBackends": add_loadbalancer_backends,
    "DescribeLoadBalancerBackends": describe_loadbalancer_backends,
    "ModifyLoadBalancerBackendAttributes": modify_loadbalancer_backend_attributes,
    "DeleteLoadBalancerBackends": delete_loadbalancer_backends,
}
