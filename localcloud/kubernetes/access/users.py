"""Who asks the API server for something."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class User:
    """A name and the groups that it is in."""

    name: str
    groups: tuple[str, ...] = ()


MASTERS = User("system:admin", ("system:masters", "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
