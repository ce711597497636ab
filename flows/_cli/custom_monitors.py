"""`monitor add`, `monitor remove` and `monitor list`: the custom monitors of a cluster.

They change the description that the cluster stores and nothing else, so that the next collection,
from whichever machine, measures what it says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from domain.kernel.names import NODES
from domain.spec.cluster import ClusterSpec
from domain.spec.custom_monitors import make_monitor, with_monitor, without_monitor
from flows._cli.command import Common, Session, cluster_name, session
from flows._cli.numbers import whole_number
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


Metric = Annotated[str, Parameter(help="Name of the metric, such as podsOfNode")]
Group = Annotated[str, Parameter(help="The group of machines that it runs on")]


def add(
    metric: Metric,
    /,
    *,
    script: Annotated[Path, Parameter(help="The file with the script, which prints one number")],
    group: Group = NODES,
    unit: Annotated[str, Parameter(help="Shown with the number")] = "",
    timeout: Annotated[int, Parameter(help="Seconds, at most 50", converter=whole_number)] = 20,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Try a script on the machines of a group, and measure it each minute from then on."""
    name = cluster_name(common)
    text = read_script(script)
    monitor = make_monitor(
        {"name": metric, "group": group, "script": text, "unit": unit, "timeout": timeout}
    )
    with session(common, name) as opened:
        cluster, steps = opened.cluster, PlainSteps()
        seen = need_cluster(cluster)
        with_monitor(need_spec(cluster), monitor)  # refused before a claim is made
        with only_run(cluster):
            spec = with_monitor(need_spec(cluster), monitor)
            reached = cluster.wanting(spec).at(cluster.ssh_endpoints())
            tried = steps.run(try_monitor, reached, seen, monitor)
            steps.run(store_spec, reached)
        _report(opened, spec, tried)


def remove(
    metric: Metric,
    /,
    *,
    group: Group = NODES,
    common: Common = Common(),  # noqa: B008 - frozen
) -> None:
    """Measure a custom metric no longer; its samples stay until they are old."""
    name = cluster_name(common)
    with session(common, name) as opened:
        cluster = opened.cluster
        _without(cluster, metric, group)  # refused before a claim is made
        with only_run(cluster):
            spec = _without(cluster, metric, group)
            PlainSteps().run(store_spec, cluster.wanting(spec))
        _report(opened, spec)


def list_monitors(*, common: Common = Common()) -> None:  # noqa: B008 - frozen
    """List the custom monitors that the cluster's description holds."""
    name = cluster_name(common)
    with session(common, name) as opened:
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
