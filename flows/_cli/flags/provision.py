"""The flags of `provision`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.flags.common import YES, Common
from flows._cli.flags.numbers import whole_number
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Create a Kubernetes cluster on QingCloud, or finish or extend an existing one."""

    nodes: Annotated[
        int | None, Parameter(help="Number of nodes (a new cluster: 2)", converter=whole_number)
    ] = None
    masters: Annotated[
        int | None, Parameter(help="Number of masters: 1, 3 or 5", converter=whole_number)
    ] = None
    allow: Annotated[
        list[str] | None,
        Parameter(negative=(), help="CIDR that may reach API, UI and SSH; repeatable"),
    ] = None
    plan: Annotated[bool, Parameter(negative=(), help="Show the plan; change nothing")] = False
    demo: Annotated[bool, Parameter(help="Run the nginx demo")] = True
    ui: Annotated[bool, Parameter(help="Install kube-ui")] = True
    yes: YES = False
    rollback: Annotated[
        bool, Parameter(negative=(), help="If the first run fails, delete its resources")
    ] = False
    accept_new_host_keys: Annotated[
        bool, Parameter(negative=(), help="Trust the first host key when an image ignores userdata")
    ] = False
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("provision", Flags)
