"""Try a scaling policy on hours of load within a second: `python -m flows.autoscale --replay`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from blocks.policies import read_policy
from domain.autoscaling.decide.bounds import Bounds
from domain.autoscaling.decide.doubts import find_doubts
from domain.autoscaling.replay.loads import Load, load_names, parse_load, recorded
from domain.autoscaling.replay.simulation import Change, Replay, Scenario
from domain.autoscaling.replay.simulation import replay as run_replay
from domain.kernel.errors import InvalidSpec
from domain.reports.replay_chart import draw_replay
from domain.spec.groups import Nodes
from domain.spec.scaling import ScalingPolicy
from flows._cli.flags.replay import ReplayFlags
from flows._cli.language import in_language
from flows._cli.terminal import open_console, print_json

MOST_ROWS = 20


def try_policy(policy: str, flags: ReplayFlags, *, json: bool) -> None:
    """Replay a preset, or the policy in a YAML file, and show the result.

    Raises:
        InvalidSpec: the policy or the load cannot be read; the message names valid ones.
    """
    scenario = make_scenario(read_policy(policy), read_load(flags.load), flags)
    result = run_replay(scenario)
    other = run_replay(replace(scenario, guarded=not scenario.guarded))
    doubts = find_doubts(scenario.policy, Bounds(scenario.minimum, scenario.maximum))
    _show(policy, result, other, doubts)
    if flags.chart:
        _draw(result, flags.chart)
    if json:
        print_json(to_document(policy, result, doubts))


def read_load(words: str) -> Load:
    """Select a load by name, or read a CSV file. Raises `InvalidSpec`."""
    load = parse_load(words)
    if load is not None:
        return load
    try:
        return recorded(Path(words).read_text(encoding="utf-8"), words)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpec(
            f"load {words!r} is neither one of {load_names()} nor a file that can be read"
        ) from error


def make_scenario(policy: ScalingPolicy, load: Load, flags: ReplayFlags) -> Scenario:
    """Build a scenario; the group's maximum is the largest one of the policy.

    Raises:
        InvalidSpec: a number is out of range.
    """
    hours = load.hours if flags.hours is None else flags.hours
    if not 0 < hours <= 24 * 14:
        raise InvalidSpec(f"--hours {hours:g} must be above 0 and at most 336, two weeks")
    if not 0 <= flags.boot_minutes <= 60:
        raise InvalidSpec(f"--boot-minutes {flags.boot_minutes:g} is not between 0 and 60")
    if not 0 <= flags.machines <= 500:
        raise InvalidSpec(f"--machines {flags.machines} is not between 0 and 500")
    maxima = [window.maximum for window in policy.schedule] + [policy.maximum]
    return Scenario(
        policy,
        load,
        hours=hours,
        boot_minutes=flags.boot_minutes,
        maximum=max([maximum for maximum in maxima if maximum] or [Nodes().maximum]),
        machines=flags.machines,
        guarded=not flags.without_guards,
    )


def to_document(policy: str, result: Replay, doubts: tuple[str, ...]) -> dict[str, Any]:
    """The replay as `--json` writes it."""
    return {
        "policy": policy,
        "load": result.scenario.load.name,
        "hours": result.scenario.hours,
        "boot_minutes": result.scenario.boot_minutes,
        "guards": result.scenario.guarded,
        "actions": len(result.changes),
        "additions": result.additions,
        "removals": result.removals,
        "settles": result.settles,
        "resting_size": result.resting_size,
        "last_reason": result.last_reason,
        "machine_hours": round(result.machine_hours, 2),
        "pod_minutes_waited": round(result.pod_minutes, 1),
        "most_pods_waiting": result.most_waiting,
        "doubts": doubts,
        "changes": result.changes,
    }


def _draw(result: Replay, chart: Path) -> None:
    try:
        chart.write_text(draw_replay(result), encoding="utf-8")
    except OSError as error:
        raise InvalidSpec(f"the chart cannot be written: {error}") from error
    open_console().print(f"Drawn into {chart}", soft_wrap=True, markup=False)


def _show(policy: str, result: Replay, other: Replay, doubts: tuple[str, ...]) -> None:
    console = open_console()
    scenario = result.scenario
    guards = "" if scenario.guarded else ", without guards"
    title = f"{policy} over {scenario.load.name}, {scenario.hours:g} hours{guards}"
    console.print(_table(title, result.changes))
    for words in (*_summary(result), _comparison(other)):
        console.print(words, soft_wrap=True, markup=False)
    for doubt in doubts:
        console.print(Text.assemble(("Doubt: ", "bold yellow"), doubt), soft_wrap=True)


def _table(title: str, changes: tuple[Change, ...]) -> Table:
    table = Table(title=in_language(title), title_justify="left")
    table.add_column(in_language("At"), justify="right")
    table.add_column(in_language("What and why"), overflow="fold")
    for change in changes[:MOST_ROWS]:
        table.add_row(_clock(change.seconds), Text(in_language(change.sentence)))
    if len(changes) > MOST_ROWS:
        table.add_row("…", in_language(f"and {len(changes) - MOST_ROWS} more"))
    return table


def _summary(result: Replay) -> list[str]:
    lines = [
        f"Actions: {len(result.changes)} ({result.additions} additions, {result.removals} removals)"
    ]
    if result.settles:
        last = _clock(result.changes[-1].seconds) if result.changes else "the start"
        lines.append(f"Settles: yes, at {result.resting_size}; last change within it at {last}")
        lines.append(f"At rest: {result.last_reason}")
    else:
        lines.append("Settles: no, it never comes to rest")
    lines.append(
        f"Cost: {result.machine_hours:.1f} machine-hours; pods waited "
        f"{result.pod_minutes:.0f} minutes in all, at most {result.most_waiting} at a time"
    )
    return lines


def _comparison(other: Replay) -> str:
    which = "With" if other.scenario.guarded else "Without"
    rest = f"rest at {other.resting_size}" if other.settles else "no rest"
    return f"{which} guards: {rest}; actions: {len(other.changes)}"


def _clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60}:{minutes % 60:02}"
