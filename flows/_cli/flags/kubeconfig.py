"""The flags of `kubeconfig`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import Common
from flows._cli.flags.numbers import whole_number
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Write an administrator's kubeconfig, or merge it into yours."""

    out: Annotated[
        Path | None,
        Parameter(help="File (default: NAME.kubeconfig; with --merge kubectl's own)"),
    ] = None
    merge: Annotated[
        bool, Parameter(negative=(), help="Add the cluster to the file and keep the rest of it")
    ] = False
    days: Annotated[
        int, Parameter(help="Days that the certificate is valid", converter=whole_number)
    ] = 30
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("kubeconfig", Flags)
