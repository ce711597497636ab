"""The flags of `repair`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import YES, Common
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Replace the broken machines of a cluster's nodes."""

    group: Annotated[str, Parameter(help="Only this group of nodes")] = ""
    plan: Annotated[bool, Parameter(negative=(), help="Show the plan; change nothing")] = False
    force: Annotated[
        bool,
        Parameter(negative=(), help="Also where so many are broken that there is another cause"),
    ] = False
    yes: YES = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("repair", Flags)
