"""The flags of `addons`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import YES, Common
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Install, change and remove the add-ons of a cluster."""

    add: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="metrics-server, cloud-controller or csi; repeatable"),
    ] = ()
    remove: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="An add-on, with what it has made; repeatable"),
    ] = ()
    key: Annotated[
        str, Parameter(help="Account block of a sub-account, whose key an added one keeps")
    ] = ""
    yes: YES = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("addons", Flags)
