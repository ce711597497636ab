"""The flags of `backup`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import Common
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Back a cluster up into a folder or a bucket, or list the backups there."""

    store: Annotated[str, Parameter(help="Backup Store block, or a folder such as ./backups")] = ""
    list_: Annotated[
        bool, Parameter(name="--list", negative=(), help="Only list the backups of the cluster")
    ] = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("backup", Flags)
