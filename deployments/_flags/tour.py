"""The flags of `tour`."""

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from flows._cli.parsing import make_app


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Play the article's steps on the local cloud; a tour that was left goes on where it was."""

    yes: Annotated[bool, Parameter(negative=(), help="Do not pause")] = False


app = make_app("tour", Flags, room="deployments")
