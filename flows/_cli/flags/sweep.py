"""The flags of `sweep`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import YES, Common
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Find and delete what belongs to no living cluster of the account."""

    plan: Annotated[bool, Parameter(negative=(), help="List it; delete nothing")] = False
    volumes: Annotated[
        bool, Parameter(negative=(), help="Volumes of claims that no machine uses, too")
    ] = False
    yes: YES = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("sweep", Flags)
