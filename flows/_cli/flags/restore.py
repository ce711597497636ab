"""The flags of `restore`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import YES, Common
from flows._cli.flags.numbers import whole_number
from flows._cli.parsing import make_app

MOST_DAYS = 7
"""How old a backup may be without being allowed by name."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Restore a cluster from a backup; one that does not exist is created.

    Exit code 2: the backup does not fit, nothing was changed.
    """

    backup: Annotated[str, Parameter(help="Name of a backup, or `latest`")] = "latest"
    store: Annotated[str, Parameter(help="Backup Store block, or a folder such as ./backups")] = ""
    into: Annotated[
        str, Parameter(name="--as", help="Cluster to restore, if not that of the backup")
    ] = ""
    max_days: Annotated[
        int, Parameter(help="How old the backup may be", converter=whole_number)
    ] = MOST_DAYS
    plan: Annotated[bool, Parameter(negative=(), help="Show the plan; change nothing")] = False
    yes: YES = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("restore", Flags)
