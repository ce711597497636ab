"""Users of the API server."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """A user name and its groups.

    Attributes:
        credential: the id of the credential, if it has one; without effect on permissions.
    """

    name: str
    groups: tuple[str, ...] = ()
    credential: str = field(default="", compare=False)


MASTERS = User("system:admin", ("system:masters", "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
