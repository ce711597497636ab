"""Reading the data of the dashboard, and publishing its charts in the Prefect UI."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING
from uuid import UUID

from blocks.artifacts import publish_markdown
from blocks.monitoring import open_samples
from domain.cloud.inventory import Inventory
from domain.kernel.errors import BadRequest, ClusterError
from domain.kernel.money import format_rate
from domain.kernel.names import ClusterId
from domain.observe.alarms.states import active_states
from domain.observe.cost import (
    NETWORK,
    Life,
    Saving,
    accrue,
    follow_lives,
    rate_of_cluster,
    save_by_scaling,
)
from domain.observe.metrics.records import Window
from domain.observe.scalings import Scaling
from domain.reports.dashboard.events import alarm_spans, scale_events, sizes_of
from domain.reports.dashboard.page import draw_charts
from domain.reports.dashboard.records import Dashboard
from domain.reports.dashboard.series import read_lines, read_pods
from domain.reports.overview import with_metrics
from domain.spec.cluster import ClusterSpec
from tasks.cluster import Cluster
from tasks.metrics import recent_samples
from tasks.overview import need_cluster, read_report, spec_or_guess
from tasks.reports import artifact_key, picture

if TYPE_CHECKING:
    from clients.samples import SampleStore


def read_page(cluster: Cluster, hours: int) -> Dashboard:
    """Read what the page shows of a cluster that must exist; changes nothing.

    Raises:
        NotFound: no resource in the account's zone has its names.
    """
    inventory = need_cluster(cluster)
    spec, now = spec_or_guess(cluster), datetime.now(UTC)
    zone, span = cluster.account.zone, timedelta(hours=hours)
    board = read_dashboard(cluster.id, spec, inventory, zone, now, span)
    report = with_metrics(read_report(cluster, spec), recent_samples(cluster.id, now))
    return replace(board, report=report)


def read_dashboard(
    cluster: ClusterId,
    spec: ClusterSpec,
    view: Inventory,
    zone: str,
    now: datetime,
    span: timedelta,
) -> Dashboard:
    """Read the data of a cluster's dashboard.

    Without an answer of the database the result has the data of the cloud, and the reason.

    Args:
        view: the present inventory, with resources that are not recorded yet.
        span: how far back to read.
    """
    rate = rate_of_cluster(view, spec.prices)
    board = Dashboard(spec.name, zone, now - span, now, rate=rate)
    try:
        with open_samples(cluster) as samples:
            return _filled(board, samples, cluster.key, spec, view)
    except BadRequest:
        raise
    except ClusterError as error:
        return replace(board, lost=str(error))


def _filled(
    board: Dashboard, samples: "SampleStore", key: str, spec: ClusterSpec, view: Inventory
) -> Dashboard:
    history, now = samples.alarms, board.until
    custom = [monitor.name for monitor in spec.monitoring.custom]
    recorded = {life.resource: life for life in samples.lives.read()}
    recorded |= {one.resource: one for one in follow_lives(tuple(recorded.values()), view, now)}
    lives = tuple(recorded.values())
    machines = [life for life in lives if life.group != NETWORK]
    shown = sum(life.ended_at is None or life.ended_at > board.since for life in machines)
    lines = read_lines(samples, custom, board.since, now, shown)
    active, since = active_states(history.read_states()), lines.since
    scalings = samples.scalings.read(min(since, *(life.created_at for life in lives), now))
    return replace(
        board,
        since=since,
        times=lines.times,
        series=lines.groups,
        machine_lines=lines.machines,
        scalings=tuple(one for one in scalings if one.ended_at >= since),
        pods=read_pods(samples, view, now),
        sizes=sizes_of(machines, since, now),
        events=scale_events(machines, since, now),
        alarms=alarm_spans(history.read_steps(since), active, since),
        active=active,
        undelivered=tuple(history.read_failures(since)),
        troubles=tuple(samples.troubles(Window(since, now + timedelta(seconds=1)))),
        costs=accrue(lives, spec.prices, now),
        savings=tuple(_savings(spec, lives, scalings, now)),
    )


def _savings(
    spec: ClusterSpec, lives: Sequence[Life], scalings: Sequence[Scaling], now: datetime
) -> Iterator[Saving]:
    """What each group costs less than at its maximum, where the autoscaler has ever scaled it."""
    scaled = {one.group for one in scalings if one.who == "autoscale" and not one.failure}
    for group, nodes in spec.node_groups.items():
        kind = nodes.template.instance_type
        found = save_by_scaling(group, lives, nodes.maximum, kind, spec.prices, now)
        if found and group in scaled:
            yield found


def publish_dashboard(board: Dashboard, zone: tzinfo, key: str) -> UUID:
    """Store the charts as the next version of the cluster's artifact. Returns: its id.

    Args:
        key: the cluster's key.
    """
    pictures = [picture("chart", chart) for chart in draw_charts(board, zone)]
    words = [f"# Dashboard of cluster {board.cluster}"]
    if board.lost:
        words.append(f"**{board.lost}**")
    if board.rate:
        words.append(f"It costs {format_rate(board.rate)}.")
    return publish_markdown(
        "\n\n".join((*words, *pictures)) + "\n",
        artifact_key("dashboard", key),
        f"Cluster {board.cluster}: {board.machines} machines",
    )
