"""The flags of `rollout`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import YES, Common
from flows._cli.flags.numbers import whole_number
from flows._cli.parsing import make_app

SHARE = 20
"""Machines of a group that are replaced at a time, in percent."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Bring changed templates to the machines, by replacing them."""

    group: Annotated[str, Parameter(help="Only this group of nodes")] = ""
    share: Annotated[
        int, Parameter(help="Machines of a group at a time, in percent", converter=whole_number)
    ] = SHARE
    plan: Annotated[bool, Parameter(negative=(), help="Show the plan; change nothing")] = False
    yes: YES = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("rollout", Flags)
