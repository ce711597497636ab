"""Entries of a router's configuration; only port forwards (type 1) are emulated."""

import ipaddress

from localcloud.clock import stamp
from localcloud.iaas.actions.routers import touch
from localcloud.iaas.answers import Document, page
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter, NotEmulated, PermissionDenied
from localcloud.iaas.lifecycle import require_settled
from localcloud.iaas.parameters import Parameters, is_port
from localcloud.iaas.records import Router, RouterStatic

PORT_FORWARD = 1
PROTOCOLS = ("tcp", "udp")
VALUES = tuple(f"val{number}" for number in range(1, 7))


def add_router_statics(cloud: Cloud, parameters: Parameters) -> Document:
    """Add forwards, which take effect with UpdateRouters."""
    router = cloud.state.routers.read(parameters.required_text("router"))
    require_settled(router)
    vxnet_id = parameters.text("vxnet")
    if vxnet_id:
        cloud.state.vxnets.read(vxnet_id)
    added = [
        _read_static(cloud, router, vxnet_id, item) for item in parameters.required_items("statics")
    ]
    taken = _places(cloud, router)
    for static in added:
        _require_free(taken, static)
        taken.add(_place(static))
    for static in added:
        cloud.state.statics.add(static)
    touch(cloud, router)
    return {"router_statics": [static.id for static in added]}


def _read_static(cloud: Cloud, router: Router, vxnet_id: str, item: Parameters) -> RouterStatic:
    kind = item.required_integer("static_type", low=1, high=8)
    if kind != PORT_FORWARD:
        raise NotEmulated(f"router statics of type [{kind}]")
    values = {name: item.text(name) for name in VALUES}
    values["val4"] = values["val4"] or "tcp"
    static = RouterStatic(
        id=cloud.new_id("rtrs"),
        name=item.text("router_static_name"),
        created_at=cloud.now(),
        router_id=router.id,
        vxnet_id=vxnet_id,
        type=kind,
        values=values,
    )
    _check_forward(static)
    return static


def _check_forward(static: RouterStatic) -> None:
    values = static.values
    for name in ("val1", "val3"):
        if not is_port(values[name]):
            raise BadParameter(f"[{name}] of a port forward should be a port, not [{values[name]}]")
    try:
        ipaddress.IPv4Address(values["val2"])
    except ValueError:
        raise BadParameter(
            f"[val2] of a port forward should be a private address, not [{values['val2']}]"
        ) from None
    if values["val4"] not in PROTOCOLS:
        raise BadParameter(f"[val4] of a port forward should be tcp or udp, not [{values['val4']}]")


def _place(static: RouterStatic) -> tuple[str, str]:
    return static.values["val1"], static.values["val4"]


def _places(cloud: Cloud, router: Router, but: str = "") -> set[tuple[str, str]]:
    statics = cloud.state.statics.values()
    return {_place(s) for s in statics if s.router_id == router.id and s.id != but}


def _require_free(taken: set[tuple[str, str]], static: RouterStatic) -> None:
    if _place(static) in taken:
        port, protocol = _place(static)
        raise PermissionDenied(
            f"port [{port}/{protocol}] is already forwarded by router [{static.router_id}]"
        )


def describe_router_statics(cloud: Cloud, parameters: Parameters) -> Document:
    wanted = parameters.texts("router_statics")
    router, vxnet = parameters.text("router"), parameters.text("vxnet")
    kind = parameters.integer("static_type", 0)
    found = [
        static
        for static in cloud.state.statics.values()
        if (not wanted or static.id in wanted)
        and (not router or static.router_id == router)
        and (not vxnet or static.vxnet_id == vxnet)
        and (not kind or static.type == kind)
    ]
    return page(parameters, "router_static_set", found, document)


def document(static: RouterStatic) -> Document:
    return {
        "router_static_id": static.id,
        "router_static_name": static.name,
        "router_id": static.router_id,
        "vxnet_id": static.vxnet_id,
        "static_type": static.type,
        **static.values,
        "disabled": int(static.is_disabled),
        "create_time": stamp(static.created_at),
    }


def modify_router_static_attributes(cloud: Cloud, parameters: Parameters) -> Document:
    """Change a forward, which takes effect with UpdateRouters."""
    old = cloud.state.statics.read(parameters.required_text("router_static"))
    router = cloud.state.routers.read(old.router_id)
    require_settled(router)
    new = RouterStatic(
        id=old.id,
        name=parameters.text("router_static_name", old.name),
        created_at=old.created_at,
        router_id=old.router_id,
        vxnet_id=old.vxnet_id,
        type=old.type,
        values={name: parameters.text(name, old.values[name]) for name in VALUES},
        is_disabled=parameters.flag("disabled", old.is_disabled),
    )
    _check_forward(new)
    _require_free(_places(cloud, router, but=old.id), new)
    cloud.state.statics[old.id] = new
    touch(cloud, router)
    return {"router_static_id": old.id}


def delete_router_statics(cloud: Cloud, parameters: Parameters) -> Document:
    """Delete forwards; those in force serve until UpdateRouters."""
    statics = cloud.state.statics.read_all(parameters.required_texts("router_statics"))
    routers = [cloud.state.routers.read(static.router_id) for static in statics]
    for router in routers:
        require_settled(router)
    for router, static in zip(routers, statics, strict=True):
        del cloud.state.statics[static.id]
        touch(cloud, router)
    return {"router_statics": [static.id for static in statics]}


ACTIONS = {
    "AddRouterStatics": add_router_statics,
    "DescribeRouterStatics": describe_router_statics,
    "ModifyRouterStaticAttributes": modify_router_static_attributes,
    "DeleteRouterStatics": delete_router_statics,
}
