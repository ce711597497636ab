"""The flags of `upgrade`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import YES, Common
from flows._cli.flags.numbers import whole_number
from flows._cli.flags.rollout import SHARE
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Bring a cluster to another version of Kubernetes."""

    version: Annotated[str, Parameter(help="The wanted version, such as 1.36.4")]
    share: Annotated[
        int, Parameter(help="Nodes of a group at a time, in percent", converter=whole_number)
    ] = SHARE
    replace: Annotated[bool, Parameter(negative=(), help="Replace the nodes by new machines")] = (
        False
    )
    force: Annotated[
        bool,
        Parameter(negative=(), help="Also where clients use APIs that the version lacks"),
    ] = False
    plan: Annotated[bool, Parameter(negative=(), help="Show the plan; change nothing")] = False
    yes: YES = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("upgrade", Flags)
