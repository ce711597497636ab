"""The flags of `run-script`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from domain.kernel.names import NODES
from domain.node.scripts import USUAL_AT_ONCE
from flows._cli.flags.common import Common
from flows._cli.flags.numbers import whole_number
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Run a script as root on each machine of a group.

    Exit code 1: it did not end well on each.
    """

    script: Annotated[Path, Parameter(help="The file with the script; no secret belongs in it")]
    group: Annotated[str, Parameter(help="Machine group")] = NODES
    timeout: Annotated[int, Parameter(help="Seconds on each machine", converter=whole_number)] = 600
    at_once: Annotated[int, Parameter(help="Machines at the same time", converter=whole_number)] = (
        USUAL_AT_ONCE
    )
    fail_fast: Annotated[
        bool, Parameter(negative=(), help="Begin on no further machine after a failure")
    ] = False
    delay: Annotated[
        int, Parameter(help="Seconds before the first machine", converter=whole_number)
    ] = 0
    interval: Annotated[
        int, Parameter(help="Seconds between the starts on two", converter=whole_number)
    ] = 0
    output: Annotated[
        bool, Parameter(negative=(), help="Show the whole output of each machine")
    ] = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("run_script", Flags)
