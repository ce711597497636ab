"""The flags of `drift`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import YES, Common
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Compare a cluster with its stored description.

    Exit code 0: no drift; 1: drift was found, and is left; 2: it cannot be compared.
    """

    repair: Annotated[
        bool, Parameter(negative=(), help="Show the plan, ask, and bring the cluster back")
    ] = False
    yes: YES = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("drift", Flags)
