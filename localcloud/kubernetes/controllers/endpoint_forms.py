"""The contents of Endpoints and EndpointSlices for the pods of a Service."""

from localcloud.kubernetes.client.informer import Obj
from localcloud.kubernetes.objects.pods import is_leaving, is_ready

PortMap = tuple[tuple[str, str, int], ...]
"""Name, protocol and number of each port, resolved for a pod."""


def ports_for(service: Obj, pod: Obj | None) -> PortMap:
    """Resolve a Service's target ports for one pod; without a pod, numbered ones only."""
    found = []
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort") or port["port"]
        number = target if isinstance(target, int) else _named_port(pod, target)
        if number is not None:
            found.append((port.get("name", ""), port.get("protocol", "TCP"), number))
    return tuple(found)


def _named_port(pod: Obj | None, name: str) -> int | None:
    for container in pod["spec"]["containers"] if pod else ():
        for port in container.get("ports") or ():
            if port.get("name") == name:
                number: int = port["containerPort"]
                return number
    return int(name) if name.isdigit() else None


def ports_of(endpoint_slice: Obj) -> PortMap:
    """Return the ports of a slice."""
    return tuple(
        (port.get("name", ""), port.get("protocol", "TCP"), port["port"])
        for port in endpoint_slice.get("ports") or ()
    )


def _target(pod: Obj) -> Obj:
    meta = pod["metadata"]
    return {
        "kind": "Pod",
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta["uid"],
    }


def endpoint_of(service: Obj, pod: Obj) -> Obj:
    """Return the entry of a pod in an EndpointSlice."""
    leaving = is_leaving(pod)
    ready = is_ready(pod)
    always = bool(service["spec"].get("publishNotReadyAddresses"))
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": always or (ready and not leaving),
            "serving": ready,
            "terminating": leaving,
        },
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": _target(pod),
    }


def subsets_of(service: Obj, pods: list[Obj]) -> list[Obj]:
    """Group addresses by their ports, ready ones apart from the others."""
    by_ports: dict[PortMap, dict[str, list[Obj]]] = {}
    always = service["spec"].get("publishNotReadyAddresses")
    for pod in pods:
        group = by_ports.setdefault(ports_for(service, pod), {})
        place = "addresses" if always or is_ready(pod) else "notReadyAddresses"
        address = {
            "ip": pod["status"]["podIP"],
            "nodeName": pod["spec"]["nodeName"],
            "targetRef": _target(pod),
        }
        group.setdefault(place, []).append(address)
    return [
        {
            **group,
            "ports": [
                ({"name": name} if name else {}) | {"port": port, "protocol": protocol}
                for name, protocol, port in ports
            ],
        }
        for ports, group in by_ports.items()
    ]
