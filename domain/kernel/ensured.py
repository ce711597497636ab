"""The answer of every `ensure_…` function."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ensured(Generic[T]):
    """The resource as it is now, and what was done about it.

    Attributes:
        did: a few words, such as `created rtr-1a2b3c4d`.
        failed: nothing was done, and the run goes on all the same; `did` is then the reason.
    """

    value: T
    did: str
    failed: bool = False
