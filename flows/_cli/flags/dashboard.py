"""The flags of `dashboard`."""

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
    """Write a page of charts: metrics, scale events, alarms, cost."""

    out: Annotated[Path, Parameter(help="HTML file to write")] = Path("report.html")
    hours: Annotated[int, Parameter(help="Hours to look back", converter=whole_number)] = 24
    serve: Annotated[
        bool, Parameter(negative=(), help="Serve the page on this machine instead; it stays new")
    ] = False
    port: Annotated[
        int, Parameter(help="Port of --serve; 0 takes a free one", converter=whole_number)
    ] = 0
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("dashboard", Flags)
