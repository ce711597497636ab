"""Monitoring: the synthetic load of `load`, in the steps and the packing of real replies."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from localcloud.iaas import load
from localcloud.iaas.actions.instances import volumes_of
from localcloud.iaas.actions.joining import vxnets_of
from localcloud.iaas.answers import Document
from localcloud.iaas.cloud import Cloud
from localcloud.iaas.errors import BadParameter, ResourceNotFound
from localcloud.iaas.load import Value
from localcloud.iaas.parameters import Parameters
from localcloud.iaas.publication import eips_of
from localcloud.iaas.readings import FINE_STEPS, KEPT_FINE, STEPS, pack, read_series
from localcloud.iaas.records import Instance, Resource, Router
from localcloud.iaas.state import BASIC_VXNET

MOST_AT_ONCE = 100
DISK, DISK_OPERATIONS = 80_000_000.0, 2_000.0  # bytes, operations each second
NETWORK = 25_000_000.0  # bytes each second
Read = Callable[[str, str, datetime], Value]


@dataclass(frozen=True, slots=True)
class Span:
    """The time range of a request."""

    step: str
    begin: datetime
    end: datetime

    @property
    def seconds(self) -> int:
        return STEPS[self.step]


def get_monitor(cloud: Cloud, parameters: Parameters) -> Document:
    resource = _read_resource(cloud, parameters.required_text("resource"))
    meters = parameters.required_texts("meters")
    return _monitor(cloud, resource, meters, _read_span(cloud, parameters))


def get_monitors(cloud: Cloud, parameters: Parameters) -> Document:
    pairs = parameters.required_items("resource_meters_pairs")
    if len(pairs) > MOST_AT_ONCE:
        raise BadParameter(f"[{len(pairs)}] resources are more than [{MOST_AT_ONCE}]")
    span = _read_span(cloud, parameters)
    wanted = [
        (_read_resource(cloud, pair.required_text("resource")), _read_meters(pair))
        for pair in pairs
    ]
    return {"monitors": [_monitor(cloud, resource, meters, span) for resource, meters in wanted]}


def _read_meters(pair: Parameters) -> list[str]:
    try:
        meters = json.loads(pair.required_text("meters"))
    except ValueError:
        meters = None
    if not isinstance(meters, list) or not all(isinstance(meter, str) for meter in meters):
        raise BadParameter("parameter [meters] should be a JSON list of texts")
    return meters


def _read_span(cloud: Cloud, parameters: Parameters) -> Span:
    step = parameters.choice("step", tuple(STEPS))
    begin, end = _moment(parameters, "start_time"), _moment(parameters, "end_time")
    if begin > end:
        raise BadParameter("[start_time] should not be later than [end_time]")
    if step in FINE_STEPS:
        begin = max(begin, cloud.now() - KEPT_FINE)
    return Span(step, begin, min(end, cloud.now()))


def _moment(parameters: Parameters, name: str) -> datetime:
    text = parameters.required_text(name)
    for form in ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"):
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    raise BadParameter(f"parameter [{name}] should look like 2013-08-27T14:30:10Z")


def _read_resource(cloud: Cloud, resource_id: str) -> Resource:
    state = cloud.state
    tables: tuple[Mapping[str, Resource], ...] = (
        state.instances,
        state.eips,
        state.routers,
        state.volumes,
    )
    for table in tables:
        if resource := table.get(resource_id):
            return resource
    raise ResourceNotFound(resource_id)


def _monitor(cloud: Cloud, resource: Resource, meters: list[str], span: Span) -> Document:
    known = _meters_of(cloud, resource)
    for meter in meters:
        if meter not in known:
            raise BadParameter(f"[{resource.id}] has no meter [{meter}]")
    return {
        "resource_id": resource.id,
        "meter_set": [
            {
                # Of a network card, the answer names the bare address.
                "meter_id": meter.removeprefix("if-"),
                "vxnet_id": _vxnet_of(cloud, resource, meter),
                "sequence": 0,
                "data": _data(resource, meter, known[meter], span),
            }
            for meter in meters
        ],
    }


def _data(resource: Resource, meter: str, read: Read, span: Span) -> list[object]:
    """Pack the readings of the time in which the resource existed and worked."""
    at_rest = not resource.is_alive or resource.status == "stopped"
    end = min(span.end, resource.status_at) if at_rest else span.end
    begin = max(span.begin, resource.created_at)
    series = read_series(
        f"{resource.id} {meter}",
        span.step,
        begin,
        end,
        lambda moment: read(resource.id, meter, moment),
    )
    return pack(series, span.seconds)


def _meters_of(cloud: Cloud, resource: Resource) -> dict[str, Read]:
    match resource:
        case Instance():
            return _meters_of_instance(cloud, resource)
        case Router():
            networks = [BASIC_VXNET, *(vxnet.id for vxnet in vxnets_of(cloud, resource))]
            return dict.fromkeys(networks, load.pair(NETWORK))
        case _ if resource.kind == "eip":
            return {"traffic": load.pair(NETWORK), "flow": load.pair(300 * NETWORK)}
    return {f"disk-{resource.id}": load.pair(DISK)}


def _meters_of_instance(cloud: Cloud, instance: Instance) -> dict[str, Read]:
    meters: dict[str, Read] = {"cpu": load.per_mille, "memory": load.per_mille}
    disks = [("os", instance.disk_gib, "/")]
    disks += [(v.id, v.size_gib, f"/mnt/{v.id}") for v in volumes_of(cloud, instance)]
    for name, size, path in disks:
        meters[f"disk-{name}"] = load.pair(DISK)
        meters[f"disk-iops-{name}"] = load.pair(DISK_OPERATIONS)
        meters[f"disk-us-{name}"] = load.filling(size, path)
    for card in [instance.nic_id, *_cards_of(cloud, instance)]:
        if card:
            meters[f"if-{card}"] = load.pair(NETWORK)
    return meters


def _cards_of(cloud: Cloud, instance: Instance) -> list[str]:
    return [nic.id for nic in cloud.state.nics.values() if nic.instance_id == instance.id]


def _vxnet_of(cloud: Cloud, resource: Resource, meter: str) -> str:
    if not isinstance(resource, Instance) or not meter.startswith("if-"):
        return ""
    nic = cloud.state.nics.get(meter.removeprefix("if-"))
    return nic.vxnet_id if nic else resource.vxnet_id


def get_loadbalancer_monitor(cloud: Cloud, parameters: Parameters) -> Document:
    """Return a balancer's traffic by public address, or its requests."""
    state, resource_id = cloud.state, parameters.required_text("resource")
    tables: tuple[Mapping[str, Resource], ...] = (
        state.loadbalancers,
        state.listeners,
        state.backends,
    )
    resource = next((t[resource_id] for t in tables if resource_id in t), None)
    if resource is None:
        raise ResourceNotFound(resource_id)
    allowed, read = ("traffic",), load.pair(NETWORK)
    parts = [(eip.id, {"eip_id": eip.id}) for eip in eips_of(cloud, resource_id)]
    if resource_id not in state.loadbalancers:
        allowed, read, parts = ("request",), load.pair(1000.0), [(resource_id, {})]
    meters = parameters.required_texts("meters")
    for meter in meters:
        if meter not in allowed:
            raise BadParameter(f"[{resource_id}] has no meter [{meter}]")
    span = _read_span(cloud, parameters)
    return {
        "resource_id": resource_id,
        "meter_set": [
            {
                "meter_id": meter,
                "data_set": [
                    {**name, "data": _data(resource, f"{meter} {part}", read, span)}
                    for part, name in parts
                ],
            }
            for meter in meters
        ],
    }


ACTIONS = {
    "GetMonitor": get_monitor,
    "GetMonitors": get_monitors,
    "GetLoadBalancerMonitor": get_loadbalancer_monitor,
}
