"""The flags of `maintain`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import YES, Common
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Renew certificates in time."""

    renew: Annotated[
        list[str] | None,
        Parameter(negative=(), help="Renew this certificate now, or all; repeatable"),
    ] = None
    plan: Annotated[bool, Parameter(negative=(), help="Show the plan; change nothing")] = False
    yes: YES = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("maintain", Flags)
