"""The answer of every `ensure_…` function."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ensured(Generic[T]):
    """What is there now, and in a few words what was done, such as `created rtr-1a2b3c4d`.

    `failed` says that nothing was done although the run goes on; the words then are the reason.
    """

    value: T
    did: str
    failed: bool = False
