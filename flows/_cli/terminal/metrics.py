"""The metrics of a cluster: a table, once or live."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from domain.observe.alarms.report import AlarmReport, format_alarms, format_undelivered
from domain.observe.alarms.states import Phase
from domain.observe.metrics.records import Gap
from domain.observe.metrics.report import MachineMetrics, MetricsReport
from domain.spec.metrics import BUILT_IN, PODS
from flows._cli.console import open_console, to_line
from flows._cli.language import Verbatim, in_language
from flows._cli.terminal.alarms import active_lines
from flows._cli.terminal.rows import Rows

MOST_MACHINES, MOST_GAPS = 40, 8
BARS = "▁▂▃▄▅▆▇█"

_COLUMNS = {
    "cpu": "CPU %",
    "memory": "Memory %",
    "diskUsed": "Disk %",
    "cpuRequested": "asked CPU %",
    "memoryRequested": "memory %",
}

History = Mapping[str, Sequence[float]]
"""Pods of the last hour by machine, oldest first."""


def show_metrics(report: MetricsReport, console: Console | None = None) -> None:
    """Show the measured values and the gaps."""
    (console or open_console()).print(_picture(report, {}))


class Watch:
    """A live picture that each new report replaces; as a context manager it takes the terminal."""

    def __init__(self, cluster: str, every: int, console: Console | None = None) -> None:
        self._words = f"measured every {every} s; Ctrl-C ends it"
        self._last: RenderableType = Text(f"Cluster {cluster}: measuring for the first time …")
        self._live = Live(
            in_language(self._last), console=console or open_console(), auto_refresh=False
        )

    def show(self, report: MetricsReport, history: History) -> None:
        """Draw a new picture."""
        self._last = _picture(report, history)
        self.show_failure("")

    def show_failure(self, reason: str) -> None:
        """Keep the last picture, and show below it why there is no new one."""
        below = [Text(self._words, "dim"), *([Text(to_line(reason), "red")] if reason else [])]
        self._live.update(in_language(Group(self._last, *below)), refresh=True)

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()
        if not self._live.console.is_terminal:
            self._live.console.line()  # which rich ends only on a terminal


def sparkline(values: Sequence[float], width: int = 20) -> str:
    """Draw the latest values as bars between 0 and the largest of them."""
    shown = values[-width:]
    largest = max(shown, default=0.0)
    if largest <= 0:
        return BARS[0] * len(shown)
    return "".join(BARS[min(7, int(8 * max(0.0, value) / largest))] for value in shown)


def _picture(report: MetricsReport, history: History) -> RenderableType:
    title = Text.assemble(
        (f"Cluster {report.cluster}", "bold"), f" at {report.time.astimezone():%H:%M:%S}"
    )
    shown, more = report.machines[:MOST_MACHINES], report.machines[MOST_MACHINES:]
    parts: list[RenderableType] = [title, _machines(shown, history)]
    if more:
        parts.append(Text(f"… and {len(more)} more machines"))
    if any(_custom(one) for one in shown):
        parts.append(_custom_monitors(shown))
    parts.append(Text(", ".join(_totals(report)), "dim"))
    if report.alarms:
        parts += _alarms(report.alarms)
    return Group(*parts, *_gaps(report.gaps))


def _totals(report: MetricsReport) -> list[str]:
    known = [
        f"{BUILT_IN[name].title.lower()}: {report.totals[name]:g}"
        for name in ("podsPending", "podsUnschedulable")
        if name in report.totals
    ]
    return [*known, f"kept in {report.database}" if report.database else "NOT KEPT"]


def _machines(machines: Sequence[MachineMetrics], history: History) -> Rows:
    table = Rows("Machine", "Pods", no_wrap=True)
    built_in = [name for name in _COLUMNS if any(name in one.metrics for one in machines)]
    for name in built_in:
        table.add_column(_COLUMNS[name], justify="right")
    for machine in machines:
        numbers = machine.metrics
        table.add_row(
            _name(machine),
            f"{_of_room(numbers)} {sparkline(history.get(machine.name, ()))}".rstrip(),
            *(_number(numbers.get(name)) for name in built_in),
        )
    return table


def _custom_monitors(machines: Sequence[MachineMetrics]) -> Rows:
    table = Rows("Custom monitors", " ")
    for machine in machines:
        if numbers := _custom(machine):
            words = ", ".join(f"{name} {value:g}" for name, value in numbers.items())
            table.add_row(Verbatim(f"  {machine.name}"), Verbatim(words))
    return table


def _custom(machine: MachineMetrics) -> dict[str, float]:
    return {name: value for name, value in machine.metrics.items() if name not in BUILT_IN}


def _alarms(report: AlarmReport) -> list[Text]:
    """The state of the alarms, then the most severe ones, and services that were not notified."""
    firing = any(state.phase is Phase.FIRING for state in report.active)
    style = "bold red" if firing or report.blind else "yellow" if report.active else "green"
    lines = [Text.assemble("alarms: ", (to_line(format_alarms(report)), style))]
    lines += active_lines(report.active)
    lines += [Text(f"✗ {to_line(words)}", "red") for words in format_undelivered(report)]
    return lines


def _name(machine: MachineMetrics) -> Text:
    ready = machine.metrics.get("ready")
    if ready is None:
        sign, style = "?", "dim"
    else:
        sign, style = ("✓", "green") if ready else ("✗", "bold red")
    return Text.assemble((sign, style), f" {machine.name}")


def _of_room(numbers: Mapping[str, float]) -> str:
    if PODS not in numbers:
        return "–"
    room = f" of {numbers['podsRoom']:g}" if "podsRoom" in numbers else ""
    return f"{numbers[PODS]:g}{room}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _gaps(gaps: Sequence[Gap]) -> list[Text]:
    lines = [
        Text(f"✗ {gap.metric} of {gap.machine or gap.group or 'the cluster'}: ", "yellow")
        + Text(to_line(gap.reason))
        for gap in gaps[:MOST_GAPS]
    ]
    if len(gaps) > MOST_GAPS:
        lines.append(Text(f"… and {len(gaps) - MOST_GAPS} more could not be measured", "yellow"))
    return lines
