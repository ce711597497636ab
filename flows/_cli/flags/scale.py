"""The flags of `scale`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from domain.kernel.names import NODES
from flows._cli.flags.common import YES, Common
from flows._cli.flags.numbers import whole_number
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Add machines to a group, or drain and remove some."""

    count: Annotated[
        int | None, Parameter(help="Number of machines wanted", converter=whole_number)
    ] = None
    remove: Annotated[
        list[str] | None,
        Parameter(
            negative=(), help="Remove this machine, by its id or its node's name; repeatable"
        ),
    ] = None
    group: Annotated[str, Parameter(help="Machine group")] = NODES
    force: Annotated[
        bool,
        Parameter(negative=(), help="Empty a group also where its pods have no place elsewhere"),
    ] = False
    yes: YES = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("scale", Flags)
