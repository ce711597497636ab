"""The flags of `autoscale`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from domain.kernel.names import NODES
from flows._cli.flags.common import Common
from flows._cli.flags.replay import ReplayFlags
from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Grow and shrink the node group with its load."""

    once: Annotated[bool, Parameter(negative=(), help="Evaluate once and act (the default)")] = (
        False
    )
    dry_run: Annotated[
        bool, Parameter(negative=(), help="Decide and explain, but change nothing")
    ] = False
    watch: Annotated[
        bool, Parameter(negative=(), help="Keep running; react within seconds when pods wait")
    ] = False
    why: Annotated[
        list[str] | None,
        Parameter(
            consume_multiple=(0, 1),
            negative=(),
            help="Explain the last decision, or the one in force at a time such as 14:05",
        ),
    ] = None
    group: Annotated[str, Parameter(help="The group that --why explains")] = NODES
    policy: Annotated[
        str, Parameter(help="Preset or YAML file (default: the cluster's own policy)")
    ] = ""
    replay: Annotated[
        str, Parameter(help="Simulate a policy instead of acting: preset or YAML file")
    ] = ""
    replayed: ReplayFlags = ReplayFlags()  # noqa: RUF009 - frozen
    common: Common = Common()  # noqa: RUF009 - frozen


app = make_app("autoscale", Flags)
