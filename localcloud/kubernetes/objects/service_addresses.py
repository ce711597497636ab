"""Cluster IPs and node ports of Services."""

import ipaddress
import random
from collections.abc import Iterable
from typing import Any

from localcloud.kubernetes.objects.failures import Cause

NODE_PORTS = range(30000, 32768)
_KEPT = 16  # as upstream, the low addresses are left for explicit requests


class ServiceAddresses:
    """Allocates cluster IPs and node ports that no other Service has."""

    def __init__(self, cidr: str, chance: random.Random) -> None:
        self._network = ipaddress.ip_network(cidr)
        self._random = chance

    def assign(self, spec: dict[str, Any], others: Iterable[dict[str, Any]]) -> list[Cause]:
        """Complete the spec of a Service in place, and return its errors."""
        if spec["type"] == "ExternalName":
            for field in ("clusterIP", "clusterIPs"):
                spec.pop(field, None)
            return []
        used = list(others)
        causes = self._assign_ip(spec, {other.get("clusterIP", "") for other in used})
        return causes + self._assign_ports(spec, used)

    def _assign_ip(self, spec: dict[str, Any], taken: set[str]) -> list[Cause]:
        wanted = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
        if not wanted:
            wanted = self._free_ip(taken)
        elif wanted != "None":
            if ipaddress.ip_address(wanted) not in self._network:
                text = (
                    f"failed to allocate IP {wanted}: the provided network does not match the range"
                )
                return [Cause.invalid("spec.clusterIPs", f'["{wanted}"]', text)]
            if wanted in taken:
                text = f"failed to allocate IP {wanted}: provided IP is already allocated"
                return [Cause.invalid("spec.clusterIPs", f'["{wanted}"]', text)]
        spec["clusterIP"] = wanted
        spec["clusterIPs"] = [wanted]
        return []

    def _free_ip(self, taken: set[str]) -> str:
        size = self._network.num_addresses
        start = self._random.randrange(_KEPT, size - 1)
        for offset in range(size - 1 - _KEPT):
            number = _KEPT + (start - _KEPT + offset) % (size - 1 - _KEPT)
            address = str(self._network[number])
            if address not in taken:
                return address
        raise RuntimeError(f"no cluster IP is left in {self._network}")

    def _assign_ports(self, spec: dict[str, Any], others: list[dict[str, Any]]) -> list[Cause]:
        if spec["type"] == "ClusterIP":
            for port in spec.get("ports", ()):
                port.pop("nodePort", None)
            return []
        taken = {port.get("nodePort") for other in others for port in other.get("ports", ())}
        causes = []
        for index, port in enumerate(spec.get("ports", ())):
            field, number = f"spec.ports[{index}].nodePort", port.get("nodePort")
            if number is None:
                port["nodePort"] = number = self._free_port(taken)
            elif number not in NODE_PORTS:
                text = (
                    "provided port is not in the valid range. The range of valid ports is "
                    f"{NODE_PORTS[0]}-{NODE_PORTS[-1]}"
                )
                causes.append(Cause.invalid(field, str(number), text))
            elif number in taken:
                text = "provided port is already allocated"
                causes.append(Cause.invalid(field, str(number), text))
            taken.add(number)
        return causes

    def _free_port(self, taken: set[int | None]) -> int:
        return self._random.choice([port for port in NODE_PORTS if port not in taken])


def keep_addresses(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Keep cluster IP and node ports that an update of a Service leaves out."""
    if after.get("type", "ClusterIP") == "ExternalName":
        return
    for field in ("clusterIP", "clusterIPs"):
        if before.get(field) and not after.get(field):
            after[field] = before[field]
    ports = {(port.get("port"), port.get("protocol")): port for port in before.get("ports", ())}
    for port in after.get("ports", ()):
        known = ports.get((port.get("port"), port.get("protocol", "TCP")), {})
        if known.get("nodePort") and after.get("type") in ("NodePort", "LoadBalancer"):
            port.setdefault("nodePort", known["nodePort"])
