"""Makers of reports, time lines and plans; a test gives only the values that it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.reports.cluster import ClusterReport, Endpoint, MachineLine, NodeLine, Step

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def make_machine(name: str = "k8s-node-a", **changes: Any) -> MachineLine:
    group = "k8s-master" if name.startswith("k8s-master") else "k8s-node"
    values: dict[str, Any] = {
        "id": f"i-{name[-1]}",
        "group": group,
        "private_ip": "192.168.1.9",
        "status": "running",
        "type_id": "s1.large.r2",
    }
    return MachineLine(name=name, **values | changes)


def make_node(name: str = "k8s-node-a", **changes: Any) -> NodeLine:
    group = "k8s-master" if name.startswith("k8s-master") else "k8s-node"
    values: dict[str, Any] = {
        "group": group,
        "ready": True,
        "schedulable": True,
        "pods": 3,
        "pods_allocatable": 40,
        "version": "v1.36.4",
    }
    return NodeLine(name=name, **values | changes)


def make_report(**changes: Any) -> ClusterReport:
    """A cluster `demo` with one master and two nodes, all well."""
    names = ("k8s-master-m", "k8s-node-a", "k8s-node-b")
    addresses = ("192.168.1.2", "192.168.1.3", "192.168.1.4")
    values: dict[str, Any] = {
        "cluster": "demo",
        "zone": "local1",
        "api": Endpoint("https://127.0.16.1:8080", ready=True),
        "ui": Endpoint("https://127.0.16.1:8443", ready=True),
        "machines": tuple(
            make_machine(name, private_ip=address)
            for name, address in zip(names, addresses, strict=True)
        ),
        "nodes": tuple(make_node(name) for name in names),
        "public_address": "127.0.16.1",
        "ssh_port": 10022,
        "vpc_cidr": "192.168.0.0/16",
        "vxnets": ("192.168.1.0/24",),
        "balancer_ip": "192.168.1.253",
    }
    return ClusterReport(**values | changes)


def make_many(count: int, **changes: Any) -> ClusterReport:
    """A cluster of `count` nodes and no master."""
    names = [f"k8s-node-{number:03}" for number in range(count)]
    return make_report(
        machines=tuple(
            make_machine(name, private_ip=f"192.168.1.{number % 250 + 2}")
            for number, name in enumerate(names)
        ),
        nodes=tuple(make_node(name) for name in names),
        **changes,
    )


def make_step(name: str, start: float, end: float, outcome: str = "", failed: bool = False) -> Step:
    """A step between two moments, in seconds after the begin of the run."""
    return Step(
        name, BEGIN + timedelta(seconds=start), BEGIN + timedelta(seconds=end), outcome, failed
    )
