"""Makers of dashboards; a test gives only the values that it is about."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from domain.kernel.money import add_up
from domain.kernel.names import NODES
from domain.observe.cost import Life
from domain.reports.dashboard.records import Dashboard, NodePods, Point, Series

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
