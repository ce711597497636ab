"""The flags of `autoscale --replay`."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.numbers import whole_number


@Parameter(name="*")
@dataclass(frozen=True)
class ReplayFlags:
    """The load and the start of a replay."""

    load: Annotated[
        str,
        Parameter(
            help="With --replay: constant, burst, daily or sawtooth, with :N for N pods; or a "
            "CSV file with the columns time and pods"
        ),
    ] = "constant:150"
    boot_minutes: Annotated[float, Parameter(help="With --replay: minutes from order to Ready")] = (
        3.0
    )
    hours: Annotated[float | None, Parameter(help="With --replay: hours to simulate")] = None
    machines: Annotated[
        int, Parameter(help="With --replay: machines at the start", converter=whole_number)
    ] = 3
    without_guards: Annotated[
        bool, Parameter(negative=(), help="With --replay: apply the policy literally")
    ] = False
    chart: Annotated[Path | None, Parameter(help="With --replay: draw an SVG chart")] = None


def used_flags(flags: ReplayFlags) -> list[str]:
    """The flags that were given, as they are typed."""
    usual = ReplayFlags()
    given = (
        one.name for one in fields(flags) if getattr(flags, one.name) != getattr(usual, one.name)
    )
    return [f"--{name.replace('_', '-')}" for name in given]
