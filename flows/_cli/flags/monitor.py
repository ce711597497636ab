"""The flags of `monitor`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

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
