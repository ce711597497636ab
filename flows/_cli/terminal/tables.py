"""Tables of a plan and of a cluster."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from blocks.artifacts import Published
from domain.cloud.plan import Action, Plan, PlanItem
from domain.kernel.money import format_plan_cost, format_rate, format_yuan
from domain.kernel.texts import first_of
from domain.node.certificates import describe_ends
from domain.observe.alarms.report import AlarmReport, format_alarms
from domain.reports.cluster import ClusterReport, Endpoint
from domain.reports.drift import DriftReport
from domain.reports.drift import Kind as Drift
from domain.reports.machines import (
    MachineState,
    MachineView,
    choose_shown,
    lone_lines,
    match_machines,
    tally,
)
from flows._cli.console import open_console
from flows._cli.language import Verbatim, in_language
from flows._cli.terminal.alarms import active_lines
from flows._cli.terminal.rows import Rows

MOST_ROWS = 40

_ACTIONS = {  # action: sign, style, the word in the summary
    Action.CREATE: ("+", "green", "to create"),
    Action.CHANGE: ("~", "yellow", "to change"),
    Action.REPLACE: ("±", "magenta", "to replace"),
    Action.DELETE: ("-", "red", "to delete"),
    Action.KEEP: ("=", "dim", "kept"),
}

_STATES = {
    MachineState.READY: ("✓", "green"),
    MachineState.CORDONED: ("‖", "yellow"),
    MachineState.NOT_READY: ("✗", "bold red"),
    MachineState.NO_NODE: ("○", "dim"),
    MachineState.BROKEN: ("✗", "bold red"),
}


def show_plan(plan: Plan, console: Console | None = None) -> None:
    """Show the action for each resource and its reason, what is billed, and the sum."""
    console = console or open_console()
    console.print(Text(f"Plan for cluster {plan.cluster}", "bold"))
    table = Rows("", "Kind", "Name", "Why")
    for item in plan.items:
        sign, style, _ = _ACTIONS[item.action]
        table.add_row(
            Text(sign, style), Text(item.kind, style), _name(item, style), _reason(item, style)
        )
    if plan.items:
        console.print(Padding(table, (0, 0, 1, 2), expand=False))
    console.print(Text(summarise(plan)))
    if plan.cost:
        console.print(Text(format_plan_cost(plan.cost)))


def summarise(plan: Plan) -> str:
    """Count the actions: `3 to create, 1 to change, 12 kept`; new costs are named."""
    counts: Counter[Action] = Counter()
    for item in plan.items:
        counts[item.action] += item.count
    words = [f"{counts[action]} {_ACTIONS[action][2]}" for action in _ACTIONS if counts[action]]
    billed = sum(i.count for i in plan.items if i.billed and i.action is Action.CREATE)
    if not plan.changes:
        return f"Nothing to do: {words[0]}" if words else "Nothing to do: nothing exists"
    return ", ".join(words) + (f"; {billed} of the new ones billed" if billed else "")


def show_report(
    report: ClusterReport, next_commands: Sequence[str] = (), console: Console | None = None
) -> None:
    """Show a cluster's endpoints and machines, and commands to try next."""
    console = console or open_console()
    zone = f" in zone {report.zone}" if report.zone else ""
    console.print(Text.assemble((f"Cluster {report.cluster}", "bold"), zone))
    console.print(Padding(_places(report), (0, 0, 1, 2), expand=False))
    views = match_machines(report)
    shown, hidden = choose_shown(views, MOST_ROWS)
    if shown:
        console.print(Padding(_machines(shown), (0, 0, 0, 2), expand=False))
    if hidden:
        console.print(Text(f"  … and {len(hidden)} more: {tally(hidden)}"))
    for line in lone_lines(report):
        console.print(Text(f"  {line}", "yellow"))
    console.print(Text(f"  {tally(views) or 'no machine'}"))
    for line in unfinished_lines(report):
        console.print(Text(f"  {line}", "yellow"), soft_wrap=True)
    for alarm in alarm_lines(report):
        console.print(alarm, soft_wrap=True)
    for number, line in enumerate(describe_ends(report.certificates, datetime.now(UTC))):
        console.print(Text(f"  {line}", "yellow" if number else ""), soft_wrap=True)
    if report.adopted:
        used = f"  It uses {', '.join(report.adopted)}, which existed before it"
        console.print(Text(used), soft_wrap=True)
    if report.cost:
        without = ", without what existed before it" if report.adopted else ""
        console.print(Text(f"  It costs {format_rate(report.cost)}{without}"))
    if next_commands:
        console.print(Text("\nNext, try", "bold"))
    for command in next_commands:
        console.print(Text(f"  {command}", "cyan"), soft_wrap=True)


def alarm_lines(report: ClusterReport) -> list[Text]:
    """The alarms that fire or are pending; none where they are not evaluated."""
    if report.alarms is None:
        return []
    words = format_alarms(AlarmReport(report.cluster, report.alarms))
    return [
        Text(f"  alarms: {words}", "yellow" if report.alarms else ""),
        *active_lines(report.alarms),
    ]


def show_leftovers(plan: Plan, console: Console | None = None) -> None:
    """Show what belongs to no living cluster, each with its cost a day, and the sum."""
    console = console or open_console()
    table = Rows("", "Kind", "Name", "Yuan a day", "Why")
    for item in plan.items:
        sign, style, _ = _ACTIONS[item.action]
        daily = "" if item.hourly is None else format_yuan(item.hourly * 24).removesuffix(" yuan")
        row = (Text(sign, style), Text(item.kind, style), _name(item, style), daily, item.reason)
        table.add_row(*row)
    if plan.items:
        console.print(Padding(table, (0, 0, 1, 2), expand=False))
    total = sum((item.hourly * 24 for item in plan.changes if item.hourly), Decimal(0))
    cost = f", which cost {format_yuan(total)} a day by guessed prices" if total else ""
    console.print(Text(f"{len(plan.changes)} resources are left over{cost}"))


def unfinished_lines(report: ClusterReport) -> list[str]:
    """Say which run is changing the cluster, and what is not finished, by command."""
    by_command: dict[str, list[str]] = {}
    for one in report.unfinished:
        by_command.setdefault(one.command, []).append(f"{one.resource} {one.state}")
    working = [f"It is being changed by {report.changed_by}"] if report.changed_by else []
    return working + [
        f"Not finished: {first_of(things)}. Finish it with: {command}"
        for command, things in by_command.items()
    ]


def show_drift(report: DriftReport, console: Console | None = None) -> None:
    """Show how a cluster differs from its description."""
    console = console or open_console()
    if report.differences:
        table = Rows("", "Kind", "Name", "Why")
        for one in report.differences:
            style = "dim" if one.kind is Drift.BY_HAND else "yellow"
            times = f" × {one.count}" if one.count != 1 else ""
            name = Verbatim.assemble((one.name + times, style), (f" {one.id}".rstrip(), "dim"))
            table.add_row(Text(one.kind, style), Text(one.resource, style), name, one.reason)
        console.print(Padding(table, (0, 0, 1, 2), expand=False))
    if not report.drifted:
        console.print(Text(report.sentence.capitalize()))


def show_published(found: Iterable[Published], console: Console | None = None) -> None:
    """Show the pages of what a run has published, on a server that outlives the command."""
    console = console or open_console()
    shown = [one for one in found if one.url]
    if shown:
        console.print(Text("\nIn the Prefect UI", "bold"))
    for one in shown:
        console.print(Text.assemble(f"  {one.key:16} ", (one.url, "cyan")), soft_wrap=True)


def _name(item: PlanItem, style: str) -> Text:
    times = f" × {item.count}" if item.count != 1 else ""
    return Verbatim.assemble((item.name + times, style), (f" {item.id}" if item.id else "", "dim"))


def _reason(item: PlanItem, style: str) -> Text:
    price = f", {format_yuan(item.hourly)} an hour" if item.hourly is not None else ""
    billed = (f"  billed{price}", "bold yellow") if item.billed else ""
    return Text.assemble((item.reason, "dim" if style == "dim" else ""), billed)


def _places(report: ClusterReport) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, endpoint in (("API", report.api), ("UI", report.ui)):
        sign, style, words = _endpoint(endpoint, was_asked=not report.trouble)
        table.add_row(Text(sign, style), in_language(name), _folded(words))
    if report.public_address and report.ssh_port:
        words = f"{report.public_address} port {report.ssh_port}, a master and the jump host"
        table.add_row("", "SSH", _folded(words))
    return table


def _folded(words: str) -> Text:
    return Text(in_language(words), overflow="fold")


def _endpoint(endpoint: Endpoint, *, was_asked: bool) -> tuple[str, str, str]:
    if not was_asked:
        return "○", "dim", f"{endpoint.url} was not asked".strip()
    if not endpoint.url:
        return "○", "dim", "not published"
    if endpoint.ready:
        return "✓", "green", endpoint.url
    return "✗", "bold red", f"{endpoint.url} does not answer"


def _machines(views: Sequence[MachineView]) -> Rows:
    table = Rows("", "Machine", "Group", "Address", "Type", "State", "Pods")
    for view in views:
        sign, style = _STATES[view.state]
        machine, node = view.machine, view.node
        table.add_row(
            Text(sign, style),
            Verbatim(machine.name),
            Verbatim(machine.group),
            Text(machine.private_ip or "none yet"),
            Text(machine.type_id),
            Text(view.state_text, style),
            f"{node.pods} of {node.pods_allocatable}" if node else "",
        )
    return table
