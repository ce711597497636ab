"""The flags of `deploy`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Register blocks, work pool and a cluster's deployments on the running Prefect server.

    Safe to run again at any time: existing ones are updated. Those of other clusters do not change.
    """

    name: Annotated[str, Parameter(help="Cluster that the deployments are for")] = "demo"
    account: Annotated[
        str | None, Parameter(help="`local`, or the name of a saved QingCloud Account block")
    ] = None
    remove: Annotated[
        bool, Parameter(negative=(), help="Delete the cluster's deployments instead")
    ] = False
    replace: Annotated[
        bool, Parameter(negative=(), help="Remove those of other accounts' clusters of this name")
    ] = False
    notify: Annotated[
        list[str] | None,
        Parameter(
            negative=(),
            help="Block that is notified when a run fails or the autoscaler is silent, such as "
            "dingtalk-robot/oncall; repeatable (default: the ones of before)",
        ),
    ] = None


app = make_app("register", Flags, room="deployments")
