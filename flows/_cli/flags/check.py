"""The flags of `check`."""

from dataclasses import dataclass

from cyclopts import Parameter

from flows._cli.flags.common import Common
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Check whether a cluster is well; changes nothing.

    Exit code 0: well, warnings are shown; 1: there is trouble, and the first one is named; 2: there
    is no such cluster.
    """

    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("check", Flags)
