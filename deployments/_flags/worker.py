"""The command `worker`, which has no flags of its own."""

from dataclasses import dataclass

from cyclopts import Parameter

from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Run the deployments, until Ctrl-C: `make worker`.

    In the foreground, because it acts with your account for as long as it runs; to keep it running,
    start the same command from systemd or a container.
    """


app = make_app("worker", Flags, room="deployments")
