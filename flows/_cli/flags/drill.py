"""The flags of `drill`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import YES, Common
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Restore a backup into a throw-away cluster, compare, and delete it.

    Exit code 1: the backup does not restore all that it names.
    """

    backup: Annotated[str, Parameter(help="Name of a backup, or `latest`")] = "latest"
    store: Annotated[str, Parameter(help="Backup Store block, or a folder such as ./backups")] = ""
    place: Annotated[
        str,
        Parameter(name="--in", help="`local`, or the account that pays for the throw-away cluster"),
    ] = "local"
    yes: YES = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("drill", Flags)
