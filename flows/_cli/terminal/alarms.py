"""The lines of alarms, in the pictures of `status` and `monitor`."""

from collections.abc import Sequence

from rich.text import Text

from domain.observe.alarms.states import AlarmState
from domain.spec.alarms import Level
from flows._cli.console import to_line

MOST_ALARMS = 8


def active_lines(active: Sequence[AlarmState]) -> list[Text]:
    """One line each firing or pending alarm, the most severe first; the rest is counted."""
    lines = [_line(state) for state in active[:MOST_ALARMS]]
    if len(active) > MOST_ALARMS:
        lines.append(Text(f"  … and {len(active) - MOST_ALARMS} more alarms", "yellow"))
    return lines


def _line(state: AlarmState) -> Text:
    place = state.subject.machine or state.subject.group or "the cluster"
    value = "" if state.value is None else f", {state.value:.4g}"
    since = f"{state.since.astimezone():%m-%d %H:%M}"
    words = f"  {state.level} {state.phase}: {state.rule} of {place}{value}, since {since}"
    return Text(to_line(words), "red" if state.level is Level.ERROR else "yellow")
