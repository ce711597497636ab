"""The flags of `teardown`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import YES, Common
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Delete a cluster and everything that belongs to it."""

    plan: Annotated[bool, Parameter(negative=(), help="Show the plan; delete nothing")] = False
    keep_addons: Annotated[
        bool,
        Parameter(negative=(), help="Keep balancers, addresses and volumes of Services and claims"),
    ] = False
    leave_foreign: Annotated[
        bool,
        Parameter(negative=(), help="Keep what foreign resources use, and delete the rest"),
    ] = False
    yes: YES = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("teardown", Flags)
