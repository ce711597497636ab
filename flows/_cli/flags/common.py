"""The flags that every command of a cluster has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Flags that every command has."""

    name: Annotated[str | None, Parameter(help="Cluster name (default: demo)")] = None
    file: Annotated[Path | None, Parameter(help="YAML file describing the cluster")] = None
    account: Annotated[
        str | None, Parameter(help="`local`, or the name of a saved QingCloud Account block")
    ] = None
    json: Annotated[
        bool, Parameter(negative=(), help="Print one JSON document on standard output")
    ] = False
    debug: Annotated[
        bool, Parameter(negative=(), help="Show Prefect's log and full tracebacks")
    ] = False


YES = Annotated[bool, Parameter(negative=(), help="Do not ask for confirmation")]
