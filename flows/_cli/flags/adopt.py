"""The flags of `adopt`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from domain.kernel.names import NODES
from flows._cli.flags.common import Common
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Make a machine that exists a node of a group, or release it again."""

    machine: Annotated[str, Parameter(help="The machine's id, such as i-1a2b3c4d")]
    group: Annotated[str, Parameter(help="Group whose labels and taints the node gets")] = NODES
    host_key: Annotated[
        str, Parameter(help="The machine's public SSH host key: ssh-ed25519 AAAA…")
    ] = ""
    accept_new_host_key: Annotated[
        bool, Parameter(negative=(), help="Accept the host key that answers at the first login")
    ] = False
    release: Annotated[
        bool,
        Parameter(negative=(), help="Empty the node and take Kubernetes off the machine instead"),
    ] = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("adopt", Flags)
