"""Validation of pods and pod templates, with the real server's messages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localcloud.kubernetes.objects.failures import Cause, quoted
from localcloud.kubernetes.objects.metadata_validation import faults, one_of
from localcloud.kubernetes.objects.names import label_name
from localcloud.kubernetes.objects.placement_validation import check_placement
from localcloud.kubernetes.objects.pods import parse_quantity

Body = Mapping[str, Any]

PROTOCOLS = ("SCTP", "TCP", "UDP")
_RESTART_POLICIES = ("Always", "OnFailure", "Never")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_HANDLERS = ("exec", "grpc", "httpGet", "tcpSocket")
_NAMED_SOURCES = {"configMap": "name", "secret": "secretName"}  # not required by the schema
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def check_pod_spec(spec: Body, path: str) -> Iterator[Cause]:
    """Yield the errors of a pod's spec that has its defaults."""
    volumes = spec.get("volumes") or ()
    yield from _volumes(volumes, f"{path}.volumes")
    if not spec.get("containers"):
        yield Cause.required(f"{path}.containers")
    mountable = {volume.get("name") for volume in volumes}
    names: set[str] = set()
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field) or ()):
            place = f"{path}.{field}[{index}]"
            yield from _unique_name(container.get("name", ""), names, f"{place}.name")
            yield from _container(container, mountable, place)
    yield from one_of(spec, "restartPolicy", _RESTART_POLICIES, path)
    yield from one_of(spec, "dnsPolicy", _DNS_POLICIES, path)
    yield from check_placement(spec, path)


def port_number(value: Any, field: str) -> Iterator[Cause]:
    """Check a port number; names are accepted."""
    if isinstance(value, int) and not 0 < value < 65536:
        yield Cause.invalid(field, quoted(value), "must be between 1 and 65535, inclusive")


def _unique_name(name: str, names: set[str], field: str) -> Iterator[Cause]:
    if not name:
        yield Cause.required(field)
    elif name in names:
        yield Cause.duplicate(field, name)
    else:
        yield from faults(field, name, label_name(name))
    names.add(name)


def _volumes(volumes: Sequence[Body], path: str) -> Iterator[Cause]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        yield from _unique_name(volume.get("name", ""), names, f"{path}[{index}].name")
        for source, field in _NAMED_SOURCES.items():
            if source in volume and not volume[source].get(field):
                yield Cause.required(f"{path}[{index}].{source}.{field}")


def _container(container: Body, volumes: set[Any], path: str) -> Iterator[Cause]:
    image = container.get("image", "")
    if not image:
        yield Cause.required(f"{path}.image")
    yield from _ports(container.get("ports") or (), f"{path}.ports")
    for index, variable in enumerate(container.get("env") or ()):
        if not variable.get("name"):
            yield Cause.required(f"{path}.env[{index}].name")
        if variable.get("value") and variable.get("valueFrom"):
            text = "may not be specified when `value` is not empty"
            yield Cause.invalid(f"{path}.env[{index}].valueFrom", '""', text)
    yield from _mounts(container.get("volumeMounts") or (), volumes, f"{path}.volumeMounts")
    for probe in _PROBES:
        if probe in container:
            yield from _probe(container[probe], f"{path}.{probe}")
    yield from one_of(container, "imagePullPolicy", _PULL_POLICIES, path)
    if image != image.strip():
        text = "must not have leading or trailing whitespace"
        yield Cause.invalid(f"{path}.image", quoted(image), text)
    yield from _resources(container.get("resources") or {}, f"{path}.resources")


def _ports(ports: Sequence[Body], path: str) -> Iterator[Cause]:
    names: set[str] = set()
    taken: set[tuple[Any, ...]] = set()
    for index, port in enumerate(ports):
        place, name, host_port = f"{path}[{index}]", port.get("name"), port.get("hostPort")
        if name and name in names:
            yield Cause.duplicate(f"{place}.name", name)
        names.add(name or "")
        if not port.get("containerPort"):
            yield Cause.required(f"{place}.containerPort")
        else:
            yield from port_number(port["containerPort"], f"{place}.containerPort")
        if host_port:
            yield from port_number(host_port, f"{place}.hostPort")
            key = (port.get("protocol"), port.get("hostIP", ""), host_port)
            if key in taken:
                yield Cause.duplicate(f"{place}.hostPort", "/".join(map(str, key)))
            taken.add(key)
        yield from one_of(port, "protocol", PROTOCOLS, place)


def _mounts(mounts: Sequence[Body], volumes: set[Any], path: str) -> Iterator[Cause]:
    places: set[str] = set()
    for index, mount in enumerate(mounts):
        name, place = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            yield Cause.required(f"{path}[{index}].name")
        if name not in volumes:
            yield Cause.not_found(f"{path}[{index}].name", name)
        if not place:
            yield Cause.required(f"{path}[{index}].mountPath")
        if place in places:
            yield Cause.invalid(f"{path}[{index}].mountPath", quoted(place), "must be unique")
        places.add(place)


def _probe(probe: Body, path: str) -> Iterator[Cause]:
    if not any(handler in probe for handler in _HANDLERS):
        yield Cause.required(path, "must specify a handler type")
    for handler in ("httpGet", "tcpSocket"):
        yield from port_number((probe.get(handler) or {}).get("port"), f"{path}.{handler}.port")


def _resources(resources: Body, path: str) -> Iterator[Cause]:
    limits = resources.get("limits") or {}
    for name, request in (resources.get("requests") or {}).items():
        limit = limits.get(name)
        is_device = "/" in name and "kubernetes.io/" not in name
        if limit is None:
            if is_device:
                text = "Limit must be set for non overcommitable resources"
                yield Cause.required(f"{path}.limits", text)
        elif is_device and request != limit:
            text = f"must be equal to {name} limit of {limit}"
            yield Cause.invalid(f"{path}.requests", quoted(request), text)
        elif parse_quantity(request) > parse_quantity(limit):
            text = f"must be less than or equal to {name} limit of {limit}"
            yield Cause.invalid(f"{path}.requests", quoted(request), text)
