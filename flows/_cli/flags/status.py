"""The flags of `status`."""

from dataclasses import dataclass

from cyclopts import Parameter

from flows._cli.flags.common import Common
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Show the state of a cluster; changes nothing."""

    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("status", Flags)
