"""The command `schema`, which has no flags of its own."""

from dataclasses import dataclass

from cyclopts import Parameter

from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Print the JSON Schema of a cluster's file, for editors that complete and check YAML."""


app = make_app("schema", Flags, room="deployments")
