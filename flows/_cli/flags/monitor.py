"""The flags of `monitor`, and of its commands `add`, `remove` and `list`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from domain.kernel.names import NODES
from flows._cli.flags.common import Common
from flows._cli.flags.numbers import whole_number
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Collect a cluster's metrics and evaluate its alarms."""

    watch: Annotated[bool, Parameter(negative=(), help="Keep measuring, with a live view")] = False
    every: Annotated[
        int | None,
        Parameter(
            help="With --watch: seconds between measurements (default: 60)", converter=whole_number
        ),
    ] = None
    prometheus: Annotated[
        Path | None, Parameter(help="File to write in Prometheus' text format")
    ] = None
    listen: Annotated[
        str | None,
        Parameter(
            help="With --watch: serve it to Prometheus on this loopback port, or on host:port"
        ),
    ] = None
    test_notification: Annotated[
        bool,
        Parameter(negative=(), help="Only send a test message through every notification service"),
    ] = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("monitor", Flags)

Metric = Annotated[str, Parameter(help="Name of the metric, such as podsOfNode")]
Group = Annotated[str, Parameter(help="The group of machines that it runs on")]


@dataclass(frozen=True)
class Add:
    """The flags of `monitor add`."""

    metric: str
    script: Path
    group: str
    unit: str
    timeout: int
    common: Common


@dataclass(frozen=True)
class Remove:
    """The flags of `monitor remove`."""

    metric: str
    group: str
    common: Common


@dataclass(frozen=True)
class List:
    """The flags of `monitor list`."""

    common: Common


@app.command
def add(
    metric: Metric,
    /,
    *,
    script: Annotated[Path, Parameter(help="The file with the script, which prints one number")],
    group: Group = NODES,
    unit: Annotated[str, Parameter(help="Shown with the number")] = "",
    timeout: Annotated[int, Parameter(help="Seconds, at most 50", converter=whole_number)] = 20,
    common: Common = Common(),  # noqa: B008 - frozen
) -> Add:
    """Try a script on the machines of a group, and measure it each minute from then on."""
    return Add(metric, script, group, unit, timeout, common)


@app.command
def remove(
    metric: Metric,
    /,
    *,
    group: Group = NODES,
    common: Common = Common(),  # noqa: B008 - frozen
) -> Remove:
    """Measure a custom metric no longer; its samples stay until they are old."""
    return Remove(metric, group, common)


@app.command(name="list")
def list_(*, common: Common = Common()) -> List:  # noqa: B008 - frozen
    """List the custom monitors that the cluster's description holds."""
    return List(common)
