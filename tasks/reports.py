"""The artifacts in the Prefect UI: the report of a cluster, the progress bar of a run."""

import logging
import re
from base64 import b64encode
from collections.abc import Iterable
from threading import Lock
from uuid import UUID

from httpx import HTTPError
from prefect.exceptions import PrefectException

from blocks.artifacts import publish_markdown, publish_progress, update_progress
from domain.cloud.plan import Action, Plan
from domain.kernel.durations import format_seconds
from domain.kernel.errors import ClusterError
from domain.kernel.money import format_plan_cost
from domain.kernel.names import ClusterId
from domain.reports.cluster import ClusterReport, Endpoint, Timeline
from domain.reports.drawing import draw_timeline, draw_topology
from domain.reports.machines import (
    MachineView,
    choose_shown,
    find_lone_nodes,
    match_machines,
    tally,
)

MOST_ROWS = 200  # a browser draws every row of an artifact's table

_log = logging.getLogger(__name__)


def as_markdown(report: ClusterReport, timeline: Timeline) -> str:
    """Write the report of a cluster: its endpoints, machines, topology and time line.

    The pictures are data URIs: both of Prefect's UIs show these, and neither shows an `<svg>` in
    the text.
    """
    parts = [
        f"# Cluster {_plain(report.cluster)}",
        _table(("What", "Where", "State"), _places(report)),
        *_failures(timeline),
        "## Machines",
        *_machines(report),
        "## Topology",
        picture(f"Topology of cluster {report.cluster}", draw_topology(report)),
        "## Time line",
        picture(f"{timeline.title}: {format_seconds(timeline.seconds)}", draw_timeline(timeline)),
    ]
    return "\n\n".join(parts) + "\n"


def plan_as_markdown(plan: Plan) -> str:
    """Write what a run would change, with reasons and prices."""
    rows = [
        (
            _plain(str(item.action)),
            _plain(f"{item.count} × {item.kind}" if item.count > 1 else item.kind),
            _plain(f"{item.name} {item.id}"),
            _plain(item.reason),
        )
        for item in plan.changes
    ]
    kept = sum(item.action is Action.KEEP for item in plan.items)
    parts = [
        f"# Plan for cluster {_plain(plan.cluster)}",
        _table(("Action", "Kind", "Name", "Why"), rows[:MOST_ROWS]),
        f"{len(rows)} changes, {kept} resources are kept.",
        *([_plain(format_plan_cost(plan.cost))] if plan.cost else []),
    ]
    return "\n\n".join(parts) + "\n"


def publish_report(report: ClusterReport, timeline: Timeline, key: str) -> UUID:
    """Store the report as the next version of the cluster's artifact. Returns: its id.

    Args:
        key: the cluster's key.
    """
    return publish_markdown(
        as_markdown(report, timeline),
        artifact_key("cluster", key),
        f"Cluster {report.cluster}: {tally(match_machines(report)) or 'no machine'}",
    )


def artifact_key(*words: str) -> str:
    """Join words into a key that Prefect accepts: lower-case letters, digits and dashes."""
    return re.sub("[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")


class Progress:
    """The share of finished steps as a progress artifact.

    A listener of `tasks.steps`: its methods may be called from any thread. Create it inside a flow
    run, which the artifact then belongs to. A Prefect server that does not answer is logged and
    otherwise ignored: a progress bar must not end a run.
    """

    def __init__(self, cluster: ClusterId, total: int) -> None:
        """Show an empty bar for `total` steps, at least one."""
        self._total = max(total, 1)
        self._done = 0
        self._lock = Lock()
        self._artifact: UUID | None = None
        try:
            key = artifact_key("progress", cluster.key)
            self._artifact = publish_progress(key, self._describe(""))
        except (ClusterError, HTTPError, PrefectException) as error:
            _log.warning("no progress bar for cluster %s: %s", cluster.name, error)

    def started(self, name: str) -> None:
        """The bar counts what is finished."""

    def progress(self, name: str, text: str) -> None:
        """The bar counts whole steps."""

    def finished(self, name: str, outcome: str, seconds: float) -> None:
        """Count one more finished step. Steps beyond the total stay at 100 %."""
        with self._lock:
            self._done += 1
            self._update(name)

    def failed(self, name: str, message: str, seconds: float) -> None:
        """Name the failed step below the bar; it may be retried."""
        with self._lock:
            self._update(f"{name} (failed)")

    @property
    def percent(self) -> float:
        return min(100.0 * self._done / self._total, 100.0)

    def _update(self, step: str) -> None:
        if self._artifact is None:
            return
        try:
            update_progress(self._artifact, self.percent, self._describe(step))
        except (ClusterError, HTTPError, PrefectException) as error:
            _log.warning("the progress bar was not updated at %s: %s", step, error)

    def _describe(self, step: str) -> str:
        words = f"{self._done} of {max(self._total, self._done)} steps"
        return f"{words}, last: {step}" if step else words


def _places(report: ClusterReport) -> list[tuple[str, str, str]]:
    places = [
        ("Kubernetes API", _code(report.api.url), _ready(report.api)),
        ("Web UI", _link(report.ui.url), _ready(report.ui)),
    ]
    if report.public_address and report.ssh_port:
        ssh = _code(f"{report.public_address}:{report.ssh_port}")
        places.append(("SSH to a master, the jump host", ssh, ""))
    if report.vpc_cidr:
        places.append(("VPC", _code(report.vpc_cidr), f"zone {_plain(report.zone)}"))
    places += [("Private network", _code(cidr), "") for cidr in report.vxnets]
    if report.balancer_ip:
        places.append(("Load balancer", _code(report.balancer_ip), ""))
    return places


def _ready(endpoint: Endpoint) -> str:
    if not endpoint.url:
        return "not published"
    return "✓ ready" if endpoint.ready else "✗ does not answer"


def _failures(timeline: Timeline) -> list[str]:
    failed = [step for step in timeline.steps if step.failed]
    if not failed:
        return []
    lines = [
        f"- ✗ **{_plain(step.name)}** after "
        f"{format_seconds((step.ended - step.started).total_seconds())}: {_plain(step.outcome)}"
        for step in failed
    ]
    return ["## What failed", "\n".join(lines)]


def _machines(report: ClusterReport) -> list[str]:
    views = match_machines(report)
    shown, hidden = choose_shown(views, MOST_ROWS)
    parts = [tally(views) or "There is no machine."]
    if shown:
        columns = ("Machine", "Group", "Address", "Type", "State", "Pods", "Version")
        parts.append(_table(columns, map(_machine_row, shown)))
    if hidden:
        parts.append(f"… and {len(hidden)} more: {tally(hidden)}")
    lone = find_lone_nodes(report)
    if lone:
        parts.append(f"Nodes without a machine: {', '.join(_code(node.name) for node in lone)}")
    return parts


def _machine_row(view: MachineView) -> tuple[str, ...]:
    machine, node = view.machine, view.node
    return (
        _code(machine.name),
        _plain(machine.group),
        _code(machine.private_ip),
        _plain(machine.type_id),
        _plain(view.state_text),
        f"{node.pods} of {node.pods_allocatable}" if node else "",
        _plain(node.version) if node else "",
    )


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def picture(words: str, svg: str) -> str:
    """Put an SVG document into markdown, as a data URI."""
    data = b64encode(svg.encode()).decode()
    return f"![{_plain(words)}](data:image/svg+xml;base64,{data})"


def _plain(words: str) -> str:
    """Escape text for markdown, on one line."""
    return re.sub(r"([\\`*_\[\]<>|#~&])", r"\\\1", " ".join(words.split()))


def _code(words: str) -> str:
    kept = " ".join(words.replace("`", "'").split()).replace("|", "\\|")
    return f"`{kept}`" if kept else ""


def _link(url: str) -> str:
    return f"<{url}>" if re.fullmatch(r"https?://[^\s<>|]+", url) else _code(url)
