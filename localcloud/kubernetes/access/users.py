"""Who asks the API server for something."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """A name and the groups that it is in.

    Attributes:
        credential: by what the user was recognised, where that has a name; it changes no right.
    """

    name: str
    groups: tuple[str, ...] = ()
    credential: str = field(default="", compare=False)


MASTERS = User("system:admin", ("system:masters", "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
