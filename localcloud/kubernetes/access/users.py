"""Users of the API server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class User:
    """A user name and its groups.

    Attributes:
        credential: the id of the credential, if it has one; without effect on permissions.
    """

    name: str
    groups: tuple[str, ...] = ()
    credential: str = field(default="", compare=False)


def account_of(pod: Mapping[str, Any]) -> User:
    """Return the ServiceAccount of a pod."""
    namespace = pod["metadata"]["namespace"]
    name = pod["spec"].get("serviceAccountName") or "default"
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(f"system:serviceaccount:{namespace}:{name}", (*groups, "system:authenticated"))


MASTERS = User("system:admin", ("system:masters", "system:authenticated"))
ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
