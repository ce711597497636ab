"""`monitor add`, `monitor remove` and `monitor list`: the custom monitors of a cluster.

They change the description that the cluster stores and nothing else, so that the next collection,
from whichever machine, measures what it says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.spec.cluster import ClusterSpec
from domain.spec.custom_monitors import make_monitor, with_monitor, without_monitor
from flows._cli.command import Session, cluster_name, session
from flows._cli.flags.monitor import Add, List, Remove
from flows._cli.terminal import show_monitors
from flows.run_script import read_script
from tasks.cluster import Cluster
from tasks.control_plane import store_spec
from tasks.custom_monitors import try_monitor
from tasks.executors import PlainSteps
from tasks.overview import need_cluster, need_spec
from tasks.runs import only_run


@dataclass(frozen=True, slots=True)
class MonitorsReport:
    """The custom monitors that a cluster stores, and what a new one has measured by machine."""

    cluster: str
    monitors: tuple[Mapping[str, Any], ...]
    tried: Mapping[str, float | str] = field(default_factory=dict)


def change_monitors(flags: Add | Remove | List) -> None:
    """Add, remove or list custom monitors, as it was typed."""
    match flags:
        case Add():
            _add(flags)
        case Remove():
            _remove(flags)
        case List():
            _list(flags)


def _add(flags: Add) -> None:
    """Try a script on the machines of a group, and store it in the description.

    Raises:
        InvalidSpec: the name is taken or no name, or the script measures nothing.
    """
    name = cluster_name(flags.common)
    given = {"name": flags.metric, "group": flags.group, "unit": flags.unit}
    script = read_script(flags.script)
    monitor = make_monitor({**given, "script": script, "timeout": flags.timeout})
    with session(flags.common, name) as opened:
        cluster, steps = opened.cluster, PlainSteps()
        seen = need_cluster(cluster)
        with_monitor(need_spec(cluster), monitor)  # refused before a claim is made
        with only_run(cluster):
            spec = with_monitor(need_spec(cluster), monitor)
            reached = cluster.wanting(spec).at(cluster.ssh_endpoints())
            tried = steps.run(try_monitor, reached, seen, monitor)
            steps.run(store_spec, reached)
        _report(opened, spec, tried)


def _remove(flags: Remove) -> None:
    name = cluster_name(flags.common)
    with session(flags.common, name) as opened:
        cluster = opened.cluster
        _without(cluster, flags.metric, flags.group)  # refused before a claim is made
        with only_run(cluster):
            spec = _without(cluster, flags.metric, flags.group)
            PlainSteps().run(store_spec, cluster.wanting(spec))
        _report(opened, spec)


def _list(flags: List) -> None:
    with session(flags.common, cluster_name(flags.common)) as opened:
        need_cluster(opened.cluster)
        _report(opened, need_spec(opened.cluster))


def _without(cluster: Cluster, metric: str, group: str) -> ClusterSpec:
    need_cluster(cluster)
    return without_monitor(need_spec(cluster), metric, group)


def _report(
    opened: Session, spec: ClusterSpec, tried: Mapping[str, float | str] | None = None
) -> None:
    monitors = spec.monitoring.custom
    show_monitors(monitors, tried)
    plain = tuple(one.model_dump(mode="json") for one in monitors)
    opened.print_result(MonitorsReport(spec.name, plain, tried or {}))
