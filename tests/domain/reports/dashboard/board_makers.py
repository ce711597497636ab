"""Makers of dashboards; a test gives only the values that it is about."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.kernel.money import add_up
from domain.kernel.names import NODES
from domain.observe.alarms.states import Phase
from domain.observe.cost import Life
from domain.observe.scalings import Scaling
from domain.reports.cluster import ClusterReport, Endpoint, MachineLine, NodeLine
from domain.reports.dashboard.records import (
    AlarmSpan,
    Dashboard,
    MachineLines,
    NodePods,
    Point,
    ScaleEvent,
    Series,
)
from domain.spec.alarms import Level
from tests.domain.observe.alarms.alarm_makers import make_state

BEGIN = datetime(2026, 11, 1, 0, 0, tzinfo=UTC)
END = BEGIN + timedelta(hours=24)


def at(hours: float) -> datetime:
    return BEGIN + timedelta(hours=hours)


def make_life(machine: str, begin: float, end: float | None = None, **changes: Any) -> Life:
    """The lifetime of a node, in hours after the begin."""
    values: dict[str, Any] = {"group": NODES, "kind": "s1.large.r2"} | changes
    ended = None if end is None else at(end)
    return Life(machine, created_at=at(begin), ended_at=ended, **values)


def make_series(*averages: float | None, **changes: Any) -> Series:
    """A line with one point per hour; minimum and maximum differ by a tenth."""
    points = tuple(
        None if value is None else Point(at(hour), value, value * 0.9, value * 1.1)
        for hour, value in enumerate(averages)
    )
    values: dict[str, Any] = {"metric": "cpu", "title": "CPU in use", "unit": "%", "group": NODES}
    return Series(points=points, **values | changes)


def make_board(**changes: Any) -> Dashboard:
    values: dict[str, Any] = {
        "cluster": "demo",
        "zone": "local1",
        "since": BEGIN,
        "until": END,
        "series": (make_series(10, 20, 30),),
        "pods": (NodePods("k8s-node-a", NODES, 31, 40),),
        "sizes": {NODES: ((BEGIN, 2), (END, 2))},
        "rate": add_up([("router", Decimal("0.5"))], guessed=True),
    }
    return Dashboard(**values | changes)


def make_busy_board() -> Dashboard:
    """A day of three machines: samples, scalings, alarms, a broken machine."""
    times = tuple(at(hour) for hour in range(24))
    names = [f"k8s-node-{number:08x}" for number in range(3)]
    metrics = [
        ("cpu", "CPU in use", "%"),
        ("podsNum", "Workload pods", "pods"),
        ("nginxConns", "nginxConns", "conns"),
    ]
    series = tuple(
        make_series(*(20.0 + hour for hour in range(24)), metric=metric, title=title, unit=unit)
        for metric, title, unit in metrics
    )
    lines = tuple(
        MachineLines(metric, NODES, name, tuple((time, 15.0 + 5 * place) for time in times))
        for metric, _, _ in metrics
        for place, name in enumerate(names)
    )
    machines = tuple(
        MachineLine(name, f"i-{place}", NODES, "192.168.1.2", "running", "s1.large.r2", fault)
        for place, (name, fault) in enumerate(
            zip(names, ("", "stopped for 12 minutes", ""), strict=True)
        )
    )
    nodes = tuple(
        NodeLine(name, NODES, True, True, 3, 37, "v1.36.4", {"cpu": 9.5}) for name in names
    )
    nowhere = Endpoint("", ready=False)
    why = "2 → 3 machines, because pods wait for room: 30 wait"
    return make_board(
        times=times,
        series=series,
        machine_lines=lines,
        report=ClusterReport("demo", "local1", nowhere, nowhere, machines, nodes),
        sizes={NODES: ((BEGIN, 2), (at(9), 3), (END, 3))},
        events=(ScaleEvent(at(9), NODES, 1, 3),),
        scalings=(Scaling(NODES, at(9), at(9.1), 2, 3, "autoscale", why),),
        alarms=(AlarmSpan("cpuHigh", NODES, Level.WARNING, at(4), at(6)),),
        active=(make_state(Phase.FIRING),),
    )
