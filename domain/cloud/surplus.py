"""Several resources of one name, which a call that acted late has left.

A name of ours is unique, unless a create acted after it was given up and sent again. Then both are
ours: the one in use is kept, the other is surplus, and is deleted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from domain.cloud.records import Unique
from domain.kernel.errors import NameTaken

R = TypeVar("R", bound=Unique)


@dataclass(frozen=True, slots=True)
class Surplus:
    """A resource that is not needed, because another of the same name is in use."""

    kind: str
    name: str
    id: str


def choose(kind: str, found: Sequence[R]) -> R | None:
    """Return the resource of a name: of several the one in use, else the first created.

    Every read decides by the same rule, so all steps of all runs choose the same one.

    Raises:
        NameTaken: several are in use, or they differ in what cannot be changed, so that one of them
            is not ours.
    """
    used = [one for one in found if one.is_used]
    if len(used) > 1 or len({one.lasting for one in found}) > 1:
        ids = " and ".join(sorted(one.id for one in found))
        fact = "are in use" if len(used) > 1 else "differ"
        raise NameTaken(
            f"the {kind}s {ids} are all named {found[0].name}, and {fact}, so they are not all "
            "this cluster's; rename the foreign ones in the console, or choose another cluster name"
        )
    return min(used or found, key=lambda one: (one.created_at, one.id), default=None)


def find_surplus(kind: str, found: Sequence[R]) -> tuple[Surplus, ...]:
    """The resources that are not the chosen one of their name. Raises as `choose` does."""
    by_name = {one.name: [other for other in found if other.name == one.name] for one in found}
    chosen = {name: choose(kind, same) for name, same in by_name.items()}
    return tuple(Surplus(kind, one.name, one.id) for one in found if one is not chosen[one.name])
